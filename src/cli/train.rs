//! `postern train`: good mail and spam in files → the classifier's model in the data directory.
//!
//! The old model stays until the new one is whole and on disk. A running box reads it when it
//! reloads. A file that cannot be read is said and left out.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::arguments::TrainOrder;
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{messages, render};
use crate::analysis::classifier::{
    Classifier, ClassifierError, Example, FEWEST_EACH, Features, Label, LearningLimits, MODEL_FILE,
    MOST_EXAMPLES, TrainingReport,
};
use crate::config::Config;

pub(super) fn train(order: &TrainOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.config)?;
    let data_dir = &config.system.data_dir;
    let (ham, spam) = (corpus(&order.ham)?, corpus(&order.spam)?);
    enough(ham.len(), spam.len())?;
    let given = ham.len() + spam.len();
    let (most_ham, most_spam) = shares(ham.len(), spam.len());
    let (ham, spam) = (spread(ham, most_ham), spread(spam, most_spam));
    let unused = given - ham.len() - spam.len();
    // Said before the long work, not after it.
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(|error| {
        Trouble::Output(format!("{} cannot be made: {error}", data_dir.display()))
    })?;
    let (examples, unreadable) = examples(&ham, &spam);
    aside!("learning from {} messages", examples.len());
    let classifier = Classifier::blank(LearningLimits::default());
    let report = classifier.train(&examples, now_s()).map_err(trouble)?;
    let path = data_dir.join(MODEL_FILE);
    classifier.save(&path).map_err(trouble)?;
    tell(&report, &path, unused, unreadable);
    Ok(Exit::Ok)
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub(super) fn trouble(error: ClassifierError) -> Trouble {
    match error {
        ClassifierError::EmptyCorpus | ClassifierError::OneSided { .. } => {
            Trouble::Data(format!("{error}; one file is one message"))
        }
        error => Trouble::Output(error.to_string()),
    }
}

/// The files of one kind; what was named has to be there.
pub(super) fn corpus(named: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    for path in named {
        std::fs::metadata(path).map_err(|error| Trouble::Input { file: path.clone(), error })?;
    }
    messages::files(named)
}

/// Refuses before anything is read what training would refuse after.
fn enough(ham: usize, spam: usize) -> Result<(), Trouble> {
    if ham + spam == 0 {
        return Err(trouble(ClassifierError::EmptyCorpus));
    }
    if ham.min(spam) < FEWEST_EACH {
        return Err(trouble(ClassifierError::OneSided { spam, ham, needed: FEWEST_EACH }));
    }
    Ok(())
}

/// How many of each kind are read: all while memory allows, else the larger kind gives way
/// down to one half.
fn shares(ham: usize, spam: usize) -> (usize, usize) {
    let half = MOST_EXAMPLES / 2;
    let share = |own: usize, other: usize| own.min(half.max(MOST_EXAMPLES.saturating_sub(other)));
    (share(ham, spam), share(spam, ham))
}

/// All files, or so many that are evenly spread over them.
pub(super) fn spread(files: Vec<PathBuf>, most: usize) -> Vec<PathBuf> {
    let all = files.len();
    if all <= most {
        return files;
    }
    (0..most).filter_map(|at| files.get(at * all / most).cloned()).collect()
}

/// The features of every message that can be read, and how many cannot.
fn examples(ham: &[PathBuf], spam: &[PathBuf]) -> (Vec<Example>, usize) {
    let mut examples = Vec::with_capacity(ham.len() + spam.len());
    let mut unreadable = 0;
    let mut progress = Progress::of(ham.len() + spam.len(), "messages");
    let labelled = ham.iter().map(|file| (file, Label::Ham));
    for (file, label) in labelled.chain(spam.iter().map(|file| (file, Label::Spam))) {
        match features(file) {
            Ok(features) => examples.push(Example { features, label }),
            Err(error) => {
                aside!("postern: {}: {error}", render::harmless(&file.to_string_lossy()));
                unreadable += 1;
            }
        }
        progress.step();
    }
    (examples, unreadable)
}

fn features(file: &Path) -> std::io::Result<Features> {
    let octets = messages::read(file)?;
    match octets.is_empty() {
        true => Err(std::io::Error::other("empty")),
        false => Ok(Features::of_message(&octets)),
    }
}

fn tell(report: &TrainingReport, path: &Path, unused: usize, unreadable: usize) {
    let TrainingReport { spam, ham, spam_right, ham_right } = report;
    say!("learned from {ham} ham and {spam} spam");
    if unused > 0 {
        say!("left out: {unused} files, because {MOST_EXAMPLES} messages are used at most");
    }
    if unreadable > 0 {
        say!("left out: {unreadable} files that could not be read");
    }
    say!(
        "tried on messages that were kept from it: {ham_right} of {ham} ham and {spam_right} of \
         {spam} spam were recognised"
    );
    say!("written: {}", path.display());
    say!("a running box uses it after the next reload (SIGHUP), `postern scan --config` now");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_kind_gives_way() {
        let (most, half) = (MOST_EXAMPLES, MOST_EXAMPLES / 2);
        let table = [
            ((30, 40), (30, 40)),
            ((most, 50), (most - 50, 50)),
            ((50, 9 * most), (50, most - 50)),
            ((most, most), (half, half)),
        ];
        for ((ham, spam), expected) in table {
            assert_eq!(shares(ham, spam), expected);
        }
    }

    #[test]
    fn what_is_left_out_is_spread() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let all = files(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(spread(all.clone(), 3), files(&["a", "c", "e"]));
        assert_eq!(spread(all.clone(), 6), all);
    }

    #[test]
    fn too_little_is_refused_before_it_is_read() {
        for (ham, spam, said) in
            [(0, 0, "empty"), (500, 0, "0 spam and 500 ham"), (3, 500, "500 spam and 3 ham")]
        {
            let Err(Trouble::Data(line)) = enough(ham, spam) else { panic!("{ham} {spam}") };
            assert!(line.contains(said), "{line}");
        }
        assert!(enough(FEWEST_EACH, FEWEST_EACH).is_ok());
    }
}
