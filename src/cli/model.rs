//! `postern model`: shows, exports and imports the classifier's model, and brings back the one
//! before.
//!
//! A running box is asked to write what it has learned before the file is read, and told to
//! take another one after it was written. Without one the file in the data directory is all.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments::Listing;
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::{render, train};
use crate::admin::api::{LessonRow, ModelRow};
use crate::analysis::classifier::{
    Classifier, ClassifierError, FEATURES_VERSION, LearningLimits, MODEL_BEFORE_FILE, MODEL_FILE,
};
use crate::config::Config;

/// `postern model`.
#[derive(Debug, Args)]
pub struct ModelOrder {
    /// What to do
    #[command(subcommand)]
    pub act: ModelAct,
}

/// What can be done with the model.
#[derive(Debug, Subcommand)]
pub enum ModelAct {
    /// Say what the classifier knows and where from
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// A model in a file, instead of the one in the data directory
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write the model, with all that was learned, into a file
    Export {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put the model of a file in the place of the one in the data directory
    Import {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The model
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Exchange the model for the one that was there before it was trained or imported
    Restore {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(super) fn model(order: &ModelOrder) -> Result<Exit, Trouble> {
    match &order.act {
        ModelAct::Show { listing, file } => show(listing, file.as_deref()),
        ModelAct::Export { config, out } => export(&Config::load(config)?, out),
        ModelAct::Import { config, file } => import(&Config::load(config)?, file),
        ModelAct::Restore { config } => restore(&Config::load(config)?),
    }
}

fn show(listing: &Listing, file: Option<&Path>) -> Result<Exit, Trouble> {
    let config = Config::load(&listing.config)?;
    let in_file = |file: &Path| read(file).map(|classifier| row(&classifier));
    let shown = match file {
        Some(file) => in_file(file)?,
        None => match Control::at(&config)?.one::<ModelRow>("/v1/model") {
            Err(Trouble::NotRunning(_)) => in_file(&config.system.data_dir.join(MODEL_FILE))?,
            other => other?,
        },
    };
    render::rows(&[shown], listing.json, line)
}

fn row(classifier: &Classifier) -> ModelRow {
    ModelRow::of(FEATURES_VERSION, classifier.learned(), &classifier.record())
}

fn line(row: &ModelRow) -> String {
    let [spam, ham] = row.trained;
    let trained = match &row.trained_at {
        Some(at) => format!("trained {at} from {spam} spam and {ham} ham"),
        None => "never trained from files".to_owned(),
    };
    let lessons = |who: &str, [spam, ham]: [u32; 2]| format!("{who} {spam} spam and {ham} ham");
    let last = row.last_lesson_at.as_ref().map(|at| format!(", the last {at}"));
    let waits = match row.waiting {
        true => "; another model waits in the data directory and is used after the next reload",
        false => "",
    };
    format!(
        "features version {}; knows {} spam and {} ham; {trained}; lessons since: {}, {}, {}{}{waits}",
        row.features_version,
        row.spam,
        row.ham,
        lessons("operators", row.by_operators),
        lessons("users", row.by_users),
        lessons("the box itself", row.automatic),
        last.unwrap_or_default(),
    )
}

/// The model in a file that has to be there.
pub(super) fn read(file: &Path) -> Result<Classifier, Trouble> {
    match Classifier::in_file(file, LearningLimits::default()) {
        Ok(Some(classifier)) => Ok(classifier),
        Ok(None) => Err(Trouble::NotFound(format!("there is no model {}", file.display()))),
        Err(ClassifierError::Read { path, source }) => {
            Err(Trouble::Input { file: path, error: source })
        }
        Err(error) => Err(Trouble::Data(error.to_string())),
    }
}

/// Has a running box write what it has learned.
pub(super) fn save(config: &Config) -> Result<(), Trouble> {
    match Control::at(config)?.act::<LessonRow>("/v1/model/save", &()) {
        Ok(_) | Err(Trouble::NotRunning(_)) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

fn export(config: &Config, out: &Path) -> Result<Exit, Trouble> {
    save(config)?;
    let classifier = read(&config.system.data_dir.join(MODEL_FILE))?;
    classifier.save(out).map_err(|error| Trouble::Output(error.to_string()))?;
    say!("written: {}", out.display());
    Ok(Exit::Ok)
}

fn import(config: &Config, file: &Path) -> Result<Exit, Trouble> {
    let classifier = read(file)?;
    let place = config.system.data_dir.join(MODEL_FILE);
    save(config)?;
    train::keep_before(&config.system.data_dir)?;
    classifier.save(&place).map_err(|error| Trouble::Output(error.to_string()))?;
    say!("written: {}", place.display());
    refresh(config)
}

/// The model that was replaced, and the one that replaced it, change places.
fn restore(config: &Config) -> Result<Exit, Trouble> {
    let data_dir = &config.system.data_dir;
    let place = data_dir.join(MODEL_FILE);
    // It is read and checked before anything is touched, and then no more of it is needed.
    let before = read(&data_dir.join(MODEL_BEFORE_FILE))?;
    save(config)?;
    train::keep_before(data_dir)?;
    before.save(&place).map_err(|error| Trouble::Output(error.to_string()))?;
    say!("restored: {}", place.display());
    refresh(config)
}

/// Has a running box take the model that was put there.
fn refresh(config: &Config) -> Result<Exit, Trouble> {
    match Control::at(config)?.act::<LessonRow>("/v1/model/refresh", &()) {
        Ok(_) => say!("the running box uses it"),
        Err(Trouble::NotRunning(_)) => say!("the box is not running; it will use it"),
        Err(trouble) => return Err(trouble),
    }
    Ok(Exit::Ok)
}
