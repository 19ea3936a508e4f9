//! `postern console`: what the box shows on screen and serial port in place of a log-in.
//!
//! In: lines somebody types, or garbage that a modem or a cat sends. Out: a menu, and acts on
//! the machine ([`Machine`]): network, host name, code for the web set-up, status, log, update,
//! power, factory reset. Whatever comes in is a line of at most [`LINE_OCTETS`] printable
//! letters; what cannot be understood changes nothing. What cannot be taken back is asked for
//! twice, the second time by a word.

mod act;
mod machine;
mod network;
mod settings;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Trouble};
use super::render::harmless;
use act::Act;
use machine::ThisBox;
use network::Interface;

/// Longer lines are cut.
const LINE_OCTETS: usize = 200;

/// What the menu can do to the machine. Results are lines for the person at the console.
trait Machine {
    /// Shown above the menu.
    fn banner(&self) -> Vec<String>;
    /// The state of everything.
    fn status(&self) -> Vec<String>;
    /// Names of network ports.
    fn ports(&self) -> Vec<String>;
    /// Gives a port its address.
    fn configure(&self, interface: &Interface) -> Result<String, String>;
    /// Renames the box.
    fn rename(&self, name: &str) -> Result<String, String>;
    /// The one-time code for the web set-up.
    fn code(&self) -> Result<String, String>;
    /// Whether the system's log is whole.
    fn check_log(&self) -> Result<String, String>;
    /// Installs the update on the medium that is plugged in.
    fn update(&self, owner_override: Override) -> Result<String, String>;
    /// Restarts.
    fn restart(&self) -> Result<String, String>;
    /// Switches off.
    fn power_off(&self) -> Result<String, String>;
    /// Wipes the data and restarts.
    fn factory_reset(&self) -> Result<String, String>;
}

/// Whether an older version is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Override {
    Ask,
    Given,
}

const MENU: &str = "  1  status                     6  update from a medium
  2  network                    7  restart
  3  host name                  8  power off
  4  code for the web set-up    9  factory reset
  5  check the system's log     0  update to an older version";

/// `postern console`.
#[derive(Debug, Args)]
pub struct ConsoleOrder {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Do what the menu asked for, as the box's own user
    #[arg(long, hide = true)]
    act: Option<Act>,
}

pub(super) fn console(order: &ConsoleOrder) -> Result<Exit, Trouble> {
    if let Some(act) = order.act {
        let done = act.run(&order.config);
        let (Ok(said) | Err(said)) = &done;
        say!("{}", harmless(said));
        return done.map(|_| Exit::Ok).map_err(Trouble::Refused);
    }
    let machine = ThisBox::new(&order.config);
    let stdin = io::stdin();
    // A closed terminal ends the session; the service manager begins another.
    let _ = converse(&machine, &mut stdin.lock(), &mut io::stdout().lock());
    Ok(Exit::Ok)
}

/// Shows the menu and does what is asked until the terminal is gone.
fn converse(
    machine: &dyn Machine,
    typed: &mut dyn BufRead,
    screen: &mut dyn Write,
) -> io::Result<()> {
    loop {
        show(screen, &machine.banner())?;
        writeln!(screen, "{MENU}")?;
        let Some(choice) = ask(typed, screen, "choice")? else { return Ok(()) };
        let done = match choice.as_str() {
            "" => continue,
            "1" => {
                show(screen, &machine.status())?;
                continue;
            }
            "2" => network(machine, typed, screen)?,
            "3" => host_name(machine, typed, screen)?,
            "4" => machine.code(),
            "5" => machine.check_log(),
            "6" => {
                writeln!(screen, "looking at the medium; this takes a while")?;
                machine.update(Override::Ask)
            }
            "7" => confirmed(typed, screen, "restart", || machine.restart())?,
            "8" => confirmed(typed, screen, "off", || machine.power_off())?,
            "9" => {
                writeln!(screen, "ALL mail, keys and settings on this box will be destroyed.")?;
                confirmed(typed, screen, "destroy", || machine.factory_reset())?
            }
            "0" => {
                writeln!(screen, "An older version may have faults that are known to attackers.")?;
                confirmed(typed, screen, "older", || machine.update(Override::Given))?
            }
            _ => Err("that is not in the menu".into()),
        };
        match done {
            Ok(text) => writeln!(screen, "done: {}", harmless(&text))?,
            Err(text) => writeln!(screen, "not done: {}", harmless(&text))?,
        }
    }
}

fn show(screen: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    writeln!(screen)?;
    lines.iter().try_for_each(|line| writeln!(screen, "{}", harmless(line)))
}

/// What is typed after a prompt; none when the terminal is gone.
fn ask(
    typed: &mut dyn BufRead,
    screen: &mut dyn Write,
    prompt: &str,
) -> io::Result<Option<String>> {
    write!(screen, "{prompt}> ")?;
    screen.flush()?;
    line(typed)
}

/// One line, cut at [`LINE_OCTETS`], without what is no printable ASCII.
fn line(typed: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        let (used, is_end) = {
            let octets = match typed.fill_buf() {
                Ok([]) => return Ok(None),
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = octets.iter().position(|octet| *octet == b'\n');
            let part = octets.get(..end.unwrap_or(octets.len())).unwrap_or_default();
            let printable = part.iter().filter(|octet| matches!(octet, b' '..=b'~'));
            let room = LINE_OCTETS.saturating_sub(text.len());
            text.extend(printable.take(room).map(|octet| char::from(*octet)));
            (part.len() + usize::from(end.is_some()), end.is_some())
        };
        typed.consume(used);
        if is_end {
            return Ok(Some(text.trim().to_owned()));
        }
    }
}

type Done = Result<String, String>;

fn confirmed(
    typed: &mut dyn BufRead,
    screen: &mut dyn Write,
    word: &str,
    act: impl FnOnce() -> Done,
) -> io::Result<Done> {
    let said = ask(typed, screen, &format!("type \"{word}\" to go on"))?;
    Ok(match said.is_some_and(|said| said == word) {
        true => act(),
        false => Err("nothing was changed".into()),
    })
}

fn host_name(
    machine: &dyn Machine,
    typed: &mut dyn BufRead,
    screen: &mut dyn Write,
) -> io::Result<Done> {
    let Some(name) = ask(typed, screen, "host name, like mx.example.org")? else {
        return Ok(Err("nothing was changed".into()));
    };
    Ok(match network::is_host_name(&name) {
        true => machine.rename(&name.to_ascii_lowercase()),
        false => Err("that is no host name with a domain".into()),
    })
}

fn network(
    machine: &dyn Machine,
    typed: &mut dyn BufRead,
    screen: &mut dyn Write,
) -> io::Result<Done> {
    let ports = machine.ports();
    writeln!(screen, "network ports: {}", harmless(&ports.join(" ")))?;
    let mut answers = Vec::new();
    let prompts = [
        "port",
        "address with prefix, like 192.0.2.5/24, or \"auto\"",
        "gateway, or nothing",
        "name servers with spaces between, or nothing",
    ];
    for prompt in prompts {
        let Some(answer) = ask(typed, screen, prompt)? else {
            return Ok(Err("nothing was changed".into()));
        };
        let is_auto = answer == "auto";
        answers.push(answer);
        if is_auto && answers.len() == 2 {
            break;
        }
    }
    Ok(Interface::read(&ports, &answers).and_then(|interface| machine.configure(&interface)))
}

/// The first line of a small file, without what surrounds it.
fn first_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}
