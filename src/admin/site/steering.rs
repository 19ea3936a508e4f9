//! How the site reaches the configuration in force.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::Config;

/// A reload on its way: why the configuration was refused, if it was.
pub type Applying = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Knows the configuration and puts another one in force.
pub trait Steering: fmt::Debug + Send + Sync {
    /// What is in force.
    fn config(&self) -> Arc<Config>;
    /// The file from which it was read.
    fn file(&self) -> &Path;
    /// Reads the file again, and says when it is in force or why it is not.
    fn reload(&self) -> Applying;
}
