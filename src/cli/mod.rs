//! The command line: arguments → acts, text or JSON on standard output, exit codes of sysexits.
//!
//! `run` is left to the composition root; everything else is done here, against the running
//! box through its control socket or, where no box is needed, directly.

/// One line on standard output, as `println!`, but a closed pipe is no error.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::render::line(format_args!($($text)*)) };
}

/// One line on standard error, which may be closed.
macro_rules! aside {
    ($($text:tt)*) => { $crate::cli::render::aside(format_args!($($text)*)) };
}

mod admin;
mod antivirus;
mod archive;
mod arguments;
mod backup;
mod bulk;
mod check;
mod console;
mod content;
mod control;
mod directory;
mod dmarc;
mod exit;
mod firewall;
mod inspect;
mod messages;
mod model;
mod policy;
mod progress;
mod quarantine;
mod queue;
mod render;
mod replay;
mod report;
mod rules;
mod scan;
mod sender;
mod shadow;
mod track;
mod train;
mod tune;
mod update;
mod user;

pub use arguments::{Arguments, Command, WithConfig};
pub use check::remarks;
pub use exit::{Exit, Trouble};

/// Carries out every command but `run`.
pub fn execute(command: Command) -> Result<Exit, Trouble> {
    match command {
        Command::Run(_) => Ok(Exit::Ok),
        Command::Check(with) => check::check(&with),
        Command::Scan(order) => scan::scan(&order),
        Command::Train(order) => train::train(&order),
        Command::Report(order) => report::report(&order),
        Command::Model(order) => model::model(&order),
        Command::Tune(order) => tune::tune(&order),
        Command::Shadow(order) => shadow::shadow(&order),
        Command::Backup(order) => backup::backup(&order),
        Command::Policy(order) => policy::policy(&order),
        Command::Rules(order) => rules::rules(&order),
        Command::Content(order) => content::content(&order),
        Command::Queue(order) => queue::queue(&order),
        Command::Quarantine(order) => quarantine::quarantine(&order),
        Command::Approval(order) => archive::approval(&order),
        Command::Archive(order) => archive::archive(&order),
        Command::Track(order) => track::track(&order),
        Command::Inspect(order) => inspect::inspect(&order),
        Command::Dmarc(order) => dmarc::dmarc(&order),
        Command::User(order) => user::user(&order),
        Command::Admin(order) => admin::admin(&order),
        Command::Sender(order) => sender::sender(&order),
        Command::Bulk(order) => bulk::bulk(&order),
        Command::Antivirus(order) => antivirus::antivirus(&order),
        Command::Directory(order) => directory::directory(&order),
        Command::Firewall(order) => firewall::firewall(&order),
        Command::Update(order) => update::update(&order),
        Command::Console(order) => console::console(&order),
        Command::Status(order) => queue::status(&order),
    }
}
