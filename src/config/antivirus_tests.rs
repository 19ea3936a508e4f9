//! One clamd or several, second engines, and contradictions.

use std::path::Path;

use super::*;
use crate::config::Config;

fn parsed(text: &str) -> Result<Antivirus, String> {
    let text = format!(
        "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"d\"\n\
         postmaster = \"postmaster@example.org\"\n{text}"
    );
    let config = Config::parse(&text, Path::new("F"), Path::new("/etc/postern"));
    config.map(|config| config.antivirus.unwrap()).map_err(|error| error.to_string())
}

#[test]
fn one_clamd_or_several() {
    let one = parsed("[antivirus]\nclamd = \"unix:/run/clamd\"\n").unwrap();
    assert_eq!(one.clamd, [ClamdAddress::Unix("/run/clamd".into())]);
    assert!(one.holds_outbreaks() && one.has_engine());
    let two = parsed("[antivirus]\nclamd = [\"unix:/run/clamd\", \"tcp:[::1]:3310\"]\n").unwrap();
    assert_eq!(two.clamd[1], ClamdAddress::Tcp("[::1]:3310".into()));
    let off = "[antivirus]\nclamd = \"unix:/a\"\n[antivirus.outbreak]\nenabled = false\n";
    assert!(!parsed(off).unwrap().holds_outbreaks());
    let digests = parsed("[antivirus]\ndigests = [\"list\", \"/etc/other\"]\n").unwrap();
    let files: Vec<PathBuf> = vec!["/etc/postern/list".into(), "/etc/other".into()];
    assert_eq!(digests.digests, files);
    assert!(!digests.holds_outbreaks() && !digests.has_engine());
}

#[test]
fn second_engines() {
    let icap = "[antivirus.second]\nkind = \"icap\"\nurl = \"icap://scan.example/av\"\n";
    let Some(SecondEngine::Icap(icap)) = parsed(icap).unwrap().second else { panic!() };
    assert_eq!(icap.url.authority, "scan.example:1344");
    let command = "[antivirus.second]\nkind = \"command\"\nprogram = \"/bin/scan\"\n\
                   arguments = [\"-\"]\ninfected = [1, 2]\n";
    let Some(SecondEngine::Command(command)) = parsed(command).unwrap().second else { panic!() };
    assert_eq!((command.clean, command.infected, command.timeout_s), (vec![0], vec![1, 2], 30));
}

#[test]
fn contradictions_are_named() {
    let clamd = "[antivirus]\nclamd = \"unix:/a\"\n";
    let command = "[antivirus.second]\nkind = \"command\"\nprogram = \"/a\"\n";
    let table = [
        ("[antivirus]\nclamd = \"/run/clamd\"\n".to_owned(), "expected unix:/path"),
        ("[antivirus]\nclamd = [\"unix:/a\", \"unix:/a\"]\n".into(), "given twice"),
        ("[antivirus]\n".into(), "names neither"),
        ("[antivirus]\ndigests = [\"a\"]\n[antivirus.outbreak]\nenabled = true\n".into(), "engine"),
        (format!("{clamd}connections = 0\n"), "`connections` of [antivirus] must be at least 1"),
        (format!("{clamd}[antivirus.outbreak]\nhold_minutes = 0\n"), "at least 1"),
        (format!("{clamd}[antivirus.outbreak]\nhold_minutes = 9999\n"), "at most 1440"),
        (format!("{clamd}[antivirus.outbreak]\ntypes = [\"exe\"]\n"), "unknown variant"),
        (format!("{clamd}[antivirus.rescan]\nkeep_days = 91\n"), "at most 90"),
        (format!("{clamd}[antivirus.rescan]\nkeep = 91\n"), "unknown field"),
        (format!("{command}clean = [1]\n"), "both clean and infected"),
        (format!("{command}infected = []\n"), "an exit code each"),
        (format!("{command}shell = true\n"), "unknown field"),
        (command.replace("/a", "scan"), "absolute path"),
        ("[antivirus.second]\nkind = \"icap\"\nurl = \"http://x/\"\n".into(), "expected icap://"),
        ("[antivirus.second]\nkind = \"icap\"\nurl = \"icap://x:y/\"\n".into(), "expected icap://"),
        ("[antivirus.second]\nkind = \"magic\"\n".into(), "magic"),
    ];
    for (text, expected) in table {
        let error = parsed(&text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
