//! What may be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::backup::BackupOrder;
use super::console::ConsoleOrder;
use super::content::ContentOrder;
use super::directory::DirectoryOrder;
use super::firewall::FirewallOrder;
use super::inspect::InspectOrder;
use super::model::ModelOrder;
use super::policy::PolicyOrder;
use super::report::ReportOrder;
use super::shadow::ShadowOrder;
use super::tune::TuneOrder;
use super::update::UpdateOrder;

/// Postern, a mail firewall.
#[derive(Debug, Parser)]
#[command(name = "postern", version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the box in the foreground
    Run(WithConfig),
    /// Check a configuration and the rules that it names; change nothing
    Check(WithConfig),
    /// Look into messages in files and say what is found
    Scan(ScanOrder),
    /// Train the classifier from good mail and spam in files
    Train(TrainOrder),
    /// Tell the running box that mail is spam or ham, so that it learns
    Report(ReportOrder),
    /// The classifier's model
    Model(ModelOrder),
    /// Refit the weights of findings from labelled mail
    Tune(TuneOrder),
    /// A candidate model or rule set that is tried on live mail, unseen
    Shadow(ShadowOrder),
    /// Configuration, model, weights and store in a folder, and back
    Backup(BackupOrder),
    /// The site's own rules: check, show, publish, restore
    Policy(PolicyOrder),
    /// Content rules
    Rules(RulesOrder),
    /// Lists for exact matching, and protected documents
    Content(ContentOrder),
    /// Mail that waits for delivery
    Queue(QueueOrder),
    /// Mail that is kept from its recipients
    Quarantine(QuarantineOrder),
    /// What waits for somebody's approval: list, release, refuse
    Approval(ApprovalOrder),
    /// Mail that policy archives: list and export
    Archive(ArchiveOrder),
    /// Find a message and tell its story
    Track(TrackOrder),
    /// The rules in force over mail in archive, quarantine and spool, with a report
    Inspect(InspectOrder),
    /// DMARC reports on own domains, and on what came from others
    Dmarc(DmarcOrder),
    /// Accounts that may submit mail
    User(UserOrder),
    /// People who use the administrator's site
    Admin(AdminOrder),
    /// Trusted and blocked senders
    Sender(SenderOrder),
    /// Digests of spam and malware that sites share
    Bulk(BulkOrder),
    /// Virus scanners, and what was delivered before it was known to be malware
    Antivirus(AntivirusOrder),
    /// Directories that know recipients, groups and passwords
    Directory(DirectoryOrder),
    /// The packet filter of the box, made from its configuration
    Firewall(FirewallOrder),
    /// A new version of the box from one signed file
    Update(UpdateOrder),
    /// The menu on the box's screen and serial port
    Console(ConsoleOrder),
    /// The box at a glance
    Status(Listing),
}

/// The configuration file.
#[derive(Debug, Clone, Args)]
pub struct WithConfig {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Where from, and in which form.
#[derive(Debug, Clone, Args)]
pub struct Listing {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

/// `postern scan`.
#[derive(Debug, Args)]
pub struct ScanOrder {
    /// The configuration file; without it the shipped defaults, and no virus scanner
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// Messages, or folders that are read recursively; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `postern train`.
#[derive(Debug, Args)]
pub struct TrainOrder {
    /// The configuration file; the model goes into its data directory
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Good mail, one message a file, in a folder that is read recursively; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub ham: Vec<PathBuf>,
    /// Spam, likewise; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub spam: Vec<PathBuf>,
    /// Take the model even when the mail contradicts itself
    #[arg(long)]
    pub force: bool,
}

/// `postern rules`.
#[derive(Debug, Args)]
pub struct RulesOrder {
    /// What to do
    #[command(subcommand)]
    pub act: RulesAct,
}

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum RulesAct {
    /// Try every rule on its own examples
    Test {
        /// The configuration file; without it the shipped rules only
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Folders with further rule files
        #[arg(value_name = "DIR")]
        dirs: Vec<PathBuf>,
    },
    /// List the rules
    List {
        /// The configuration file; without it the shipped rules only
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// One JSON object a line instead of text
        #[arg(long)]
        json: bool,
    },
}

/// `postern queue`.
#[derive(Debug, Args)]
pub struct QueueOrder {
    /// What to do
    #[command(subcommand)]
    pub act: QueueAct,
}

/// What can be done with the queue.
#[derive(Debug, Subcommand)]
pub enum QueueAct {
    /// List waiting mail
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Only this state
        #[arg(long, value_parser = ["active", "deferred", "hold"])]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 10_000)]
        limit: usize,
    },
    /// Show one mail
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Its MailId
        mail_id: String,
    },
    /// Try delivery now
    Retry(Chosen),
    /// Keep from delivery until released
    Hold(Chosen),
    /// Let go what was held
    Release(Chosen),
    /// Take out of the queue; the mail is gone
    Remove(Chosen),
}

/// The mails that an act is for.
#[derive(Debug, Clone, Args)]
pub struct Chosen {
    /// Where from
    #[command(flatten)]
    pub listing: Listing,
    /// Every mail in the list
    #[arg(long, conflicts_with = "mail_ids")]
    pub all: bool,
    /// MailIds
    #[arg(required_unless_present = "all", value_name = "MAIL_ID")]
    pub mail_ids: Vec<String>,
}

/// `postern quarantine`.
#[derive(Debug, Args)]
pub struct QuarantineOrder {
    /// What to do
    #[command(subcommand)]
    pub act: QuarantineAct,
}

/// What can be done with the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineAct {
    /// List what is kept
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// At most so many
        #[arg(long, default_value_t = 10_000)]
        limit: usize,
    },
    /// Show one mail
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Its MailId
        mail_id: String,
    },
    /// Deliver to its recipients after all; what was kept as spam is learned as good mail
    Release {
        /// Which
        #[command(flatten)]
        chosen: Chosen,
        /// Learn it as good mail whatever it was kept for
        #[arg(long, conflicts_with = "no_learn")]
        ham: bool,
        /// Learn nothing from it
        #[arg(long)]
        no_learn: bool,
    },
    /// Refuse what waits for an approval; who is to be told is told
    Refuse {
        /// Which
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Delete for good
    Delete {
        /// Which
        #[command(flatten)]
        chosen: Chosen,
        /// Learn it as spam
        #[arg(long)]
        spam: bool,
    },
}

/// `postern approval`.
#[derive(Debug, Args)]
pub struct ApprovalOrder {
    /// What to do
    #[command(subcommand)]
    pub act: ApprovalAct,
}

/// What can be done about approvals.
#[derive(Debug, Subcommand)]
pub enum ApprovalAct {
    /// List what waits, the next to expire first
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// At most so many
        #[arg(long, default_value_t = 10_000)]
        limit: usize,
    },
    /// Deliver
    Release(Chosen),
    /// Do not deliver; own senders get a report, otherwise the recipients are told
    Refuse(Chosen),
}

/// `postern archive`.
#[derive(Debug, Args)]
pub struct ArchiveOrder {
    /// What to do
    #[command(subcommand)]
    pub act: ArchiveAct,
}

/// What can be done with the archive.
#[derive(Debug, Subcommand)]
pub enum ArchiveAct {
    /// List what is archived, newest first
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// In this class only
        #[arg(long)]
        class: Option<String>,
        /// The reverse-path or any part of it
        #[arg(long)]
        sender: Option<String>,
        /// A forward-path or any part of it
        #[arg(long)]
        recipient: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 10_000)]
        limit: usize,
    },
    /// Write messages as they came: MAIL_ID.eml in a folder
    Export {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// From this class only
        #[arg(long)]
        class: Option<String>,
        /// The folder; made when missing
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: std::path::PathBuf,
        /// MailIds; without any, all of the class
        #[arg(value_name = "MAIL_ID")]
        mail_ids: Vec<String>,
    },
}

/// `postern track`.
#[derive(Debug, Args)]
pub struct TrackOrder {
    /// Where from
    #[command(flatten)]
    pub listing: Listing,
    /// The reverse-path or any part of it
    #[arg(long, visible_alias = "from", value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// A forward-path or any part of it
    #[arg(long, visible_alias = "to", value_name = "ADDRESS")]
    pub recipient: Option<String>,
    /// The Message-ID, with or without angle brackets
    #[arg(long, value_name = "ID")]
    pub message_id: Option<String>,
    /// The MailId, as in a `250` or a refusal
    #[arg(long, visible_alias = "id", value_name = "ID")]
    pub mail_id: Option<String>,
    /// At most so many messages, the latest first
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// A MailId, a Message-ID or an address, when no option says which
    #[arg(value_name = "WHAT")]
    pub what: Option<String>,
}

/// `postern dmarc`.
#[derive(Debug, Args)]
pub struct DmarcOrder {
    /// What to do
    #[command(subcommand)]
    pub act: DmarcAct,
}

/// What can be done with DMARC reports.
#[derive(Debug, Subcommand)]
pub enum DmarcAct {
    /// List the reports that others sent, the latest first
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Only on this domain
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Show which addresses sent mail in a domain's name: in one report, or in all together
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// All reports on this domain
        #[arg(long, value_name = "DOMAIN", conflicts_with = "id")]
        domain: Option<String>,
        /// The id of one report, as in the list
        #[arg(value_name = "ID", required_unless_present = "domain")]
        id: Option<String>,
    },
    /// Show what this box saw of domains that want reports, by day
    Observed {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Only this domain, with its source addresses
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Send the reports on finished days now
    Send(Listing),
}

/// `postern bulk`.
#[derive(Debug, Args)]
pub struct BulkOrder {
    /// What to do
    #[command(subcommand)]
    pub act: BulkAct,
}

/// What can be done with digests.
#[derive(Debug, Subcommand)]
pub enum BulkAct {
    /// Print this site's public key; make the key when there is none
    Key(WithConfig),
    /// Write what was reported here as a signed file for other sites
    Export {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Days after which nobody uses it any more
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
    },
    /// Check another site's file and put it where the box reads it
    Import {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The other site's file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `postern antivirus`.
#[derive(Debug, Args)]
pub struct AntivirusOrder {
    /// What to do
    #[command(subcommand)]
    pub act: AntivirusAct,
}

/// What can be asked of the virus scanners.
#[derive(Debug, Subcommand)]
pub enum AntivirusAct {
    /// How they are, and what they know
    Status(Listing),
    /// List what was delivered and would be caught now, the latest first
    Report {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
}

/// `postern user`.
#[derive(Debug, Args)]
pub struct UserOrder {
    /// What to do
    #[command(subcommand)]
    pub act: UserAct,
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserAct {
    /// Add an account, or change one; the password is asked for
    Add {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The name to log in with
        name: String,
        /// A reverse-path that the account may use: an address or `@domain`; may be repeated.
        /// Without it, the name itself when that is an address
        #[arg(long = "address", value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove an account
    Remove {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Its name
        name: String,
    },
    /// List the accounts
    List(Listing),
}

/// `postern admin`.
#[derive(Debug, Args)]
pub struct AdminOrder {
    /// What to do
    #[command(subcommand)]
    pub act: AdminAct,
}

/// What can be done for people who use the site.
#[derive(Debug, Subcommand)]
pub enum AdminAct {
    /// Print the one-time code of the first visit; nothing when the box has an owner
    Code(WithConfig),
    /// Give somebody who cannot log in a new password, and drop the second factor
    Reset {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The name to log in with
        name: String,
    },
}

/// `postern sender`.
#[derive(Debug, Args)]
pub struct SenderOrder {
    /// What to do
    #[command(subcommand)]
    pub act: SenderAct,
}

/// What can be done with the lists of senders.
#[derive(Debug, Subcommand)]
pub enum SenderAct {
    /// Do not take a sender's mail for spam; counts only when the sender is authenticated
    Trust(ChosenSender),
    /// Refuse a sender's mail
    Block(ChosenSender),
    /// Take an entry out of a list
    Forget(ChosenSender),
    /// List the entries, those of the configuration file too
    List {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Whose
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose list; without either, the site's.
#[derive(Debug, Clone, Args)]
pub struct Whose {
    /// The list of a protected domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "user")]
    pub domain: Option<String>,
    /// The list of a recipient
    #[arg(long, value_name = "ADDRESS")]
    pub user: Option<String>,
}

/// The entry that an act is for.
#[derive(Debug, Clone, Args)]
pub struct ChosenSender {
    /// Where from
    #[command(flatten)]
    pub listing: Listing,
    /// Whose
    #[command(flatten)]
    pub whose: Whose,
    /// An address, `@domain`, `@.domain` (with its sub-domains) or a network
    pub entry: String,
}
