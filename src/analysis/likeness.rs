//! The classifier as the box has it: a model from the data directory, or none.
//!
//! In: the data directory, then messages. Out: at most one finding a message. Without a model
//! there is no finding; a model that is refused is said once to the operator and in a notice
//! with every message, and mail is looked into without it.

use std::path::Path;

use super::Sighting;
use super::classifier::{Classifier, Features, LearningLimits, MODEL_FILE};
use crate::message::Anatomy;

/// What is known of good mail and spam.
#[derive(Debug)]
pub(super) enum Likeness {
    /// Nobody has trained a model.
    Untrained,
    /// There is a model and it cannot be used.
    Refused(String),
    /// A model is in force.
    Trained(Classifier),
}

impl Likeness {
    /// Reads the model in a data directory.
    pub(super) fn in_dir(data_dir: &Path) -> Likeness {
        let path = data_dir.join(MODEL_FILE);
        match Classifier::in_file(&path, LearningLimits::default()) {
            Ok(None) => Likeness::Untrained,
            Ok(Some(classifier)) => {
                let (spam, ham) = classifier.learned();
                tracing::info!(spam, ham, "the classifier has learned");
                Likeness::Trained(classifier)
            }
            Err(error) => {
                tracing::warn!("the classifier is out of use: {error}; train it again");
                Likeness::Refused(error.to_string())
            }
        }
    }

    /// What is to be said of a message.
    pub(super) fn sighting(&self, anatomy: &Anatomy) -> Option<Sighting> {
        match self {
            Likeness::Untrained => None,
            Likeness::Refused(why) => Some(Sighting::new("CLASSIFIER_REFUSED", why.as_str())),
            Likeness::Trained(classifier) => {
                classifier.score(&Features::of_anatomy(anatomy))?.sighting()
            }
        }
    }
}
