//! What the command line of the measurement may say.

use std::path::PathBuf;

use super::contestants::Contestant;
use super::corpus::Corpus;

/// The run to make.
#[derive(Debug)]
pub struct Options {
    pub only: Vec<Contestant>,
    pub sizes: Vec<String>,
    pub scale: f64,
    pub connections: usize,
    pub idle: usize,
    pub mixed: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; what cargo adds is passed over.
    pub fn read() -> Options {
        let mut options = Options {
            only: Contestant::ALL.to_vec(),
            sizes: ["4KB", "50KB", "1MB", "mixed"].map(str::to_owned).to_vec(),
            scale: 1.0,
            connections: 20,
            idle: 10_000,
            mixed: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} what?"));
            match argument.as_str() {
                "--only" => {
                    let named = value();
                    let known = |name: &str| {
                        let fits = |known: &&Contestant| known.short() == name;
                        *Contestant::ALL.iter().find(fits).unwrap_or_else(|| panic!("{name}?"))
                    };
                    options.only = named.split(',').map(known).collect();
                }
                "--sizes" => options.sizes = value().split(',').map(str::to_owned).collect(),
                "--scale" => options.scale = value().parse().unwrap(),
                "--connections" => options.connections = value().parse().unwrap(),
                "--idle" => options.idle = value().parse().unwrap(),
                "--mixed" => options.mixed = Some(value().into()),
                "--bench" | "--test" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }

    /// The messages to send, size by size.
    pub fn corpora(&self) -> Vec<Corpus> {
        let count = |usual: f64| (usual * self.scale).max(20.0) as usize;
        let of = |name: &String| match (name.as_str(), &self.mixed) {
            ("4KB", _) => Corpus::plain("4 KB", 4_096, count(6_000.0)),
            ("50KB", _) => Corpus::with_attachment("50 KB", 50_000, count(2_000.0)),
            ("1MB", _) => Corpus::with_attachment("1 MB", 1_000_000, count(200.0)),
            ("mixed", Some(dir)) => Corpus::of_folder(dir, count(4_000.0)),
            ("mixed", None) => Corpus::mixed(count(4_000.0)),
            (other, _) => panic!("unknown size {other}: 4KB, 50KB, 1MB or mixed"),
        };
        self.sizes.iter().map(of).collect()
    }
}
