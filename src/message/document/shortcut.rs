//! Shortcuts: files that lead to a program, a share or a page when they are opened.
//!
//! In: octets. Out: where they lead, as text, with remarks about commands, hidden arguments,
//! foreign machines and what hangs behind the shortcut. Windows' links by MS-SHLLINK; those
//! that are text by their sections or elements.

use bytes::Bytes;

use super::script;
use super::source::{any, read};
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{le16, le32, place, rest, slice, utf16_le};
use crate::message::html::html_to_text;

/// Programs that run what they are told.
const INTERPRETERS: [&str; 27] = [
    "powershell",
    "pwsh",
    "cmd.exe",
    "cmd ",
    "%comspec%",
    "mshta",
    "wscript",
    "cscript",
    "rundll32",
    "regsvr32",
    "certutil",
    "bitsadmin",
    "msiexec",
    "curl",
    "wmic",
    "forfiles",
    "pcalua",
    "conhost",
    "schtasks",
    "hh.exe",
    "installutil",
    "msbuild",
    "ssh.exe",
    "scp.exe",
    "finger.exe",
    "ftp.exe",
    "python",
];
/// White space that pushes the rest of a command out of sight.
const PADDING: usize = 64;
/// Explorer shows no more of a target; longer ones are written by programs.
const SHOWN_LETTERS: usize = 260;
/// Less than this behind a link is padding.
const PAYLOAD_OCTETS: usize = 32;

/// A link of Windows.
#[derive(Default)]
struct Link {
    target: String,
    arguments: String,
    icon: String,
    words: Vec<String>,
    /// Where it ends.
    end: usize,
}

/// Takes a link of Windows apart (MS-SHLLINK section 2).
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let link = read_link(octets);
    let command = format!("{} {}", link.target, link.arguments);
    let mut all = link.words.join("\n");
    all.push('\n');
    all.push_str(&command);
    opening.text(&all);
    let squeezed: String = command.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = squeezed.replace('^', "").to_lowercase();
    if let Some(program) = INTERPRETERS.iter().find(|program| lower.contains(**program)) {
        opening.remark("LNK_COMMAND", format!("{program}: {}", link.arguments.trim()));
    } else if !link.arguments.trim().is_empty() {
        opening.remark("LNK_ARGUMENTS", link.arguments.trim());
    }
    script::look_at_command(&squeezed, opening);
    if longest_gap(&link.arguments) >= PADDING || link.arguments.chars().count() > SHOWN_LETTERS {
        opening.remark("LNK_PADDING", format!("{} characters", link.arguments.chars().count()));
    }
    for place in [&link.target, &link.arguments, &link.icon] {
        remark_foreign(place, opening);
    }
    let behind = rest(octets, link.end);
    if behind.len() >= PAYLOAD_OCTETS {
        opening.remark("LNK_PAYLOAD", format!("{} octets", behind.len()));
        opening.member("behind the link", octets.slice(link.end.min(octets.len())..))?;
    }
    Ok(())
}

fn longest_gap(text: &str) -> usize {
    let mut longest = 0;
    let mut gap = 0;
    for letter in text.chars() {
        gap = if letter.is_whitespace() || letter.is_control() { gap + 1 } else { 0 };
        longest = longest.max(gap);
    }
    longest
}

fn remark_foreign(target: &str, opening: &mut Opening<'_, '_>) {
    let lower = target.trim().to_lowercase().replace('/', "\\");
    let share =
        lower.starts_with("\\\\") && !lower.starts_with("\\\\?\\") && !lower.starts_with("\\\\.\\")
            || lower.contains(" \\\\")
            || lower.contains("\"\\\\")
            || lower.starts_with("file:\\\\\\\\")
            || lower.starts_with("file:\\\\") && !lower.starts_with("file:\\\\\\");
    if share || lower.contains("davwwwroot") || lower.contains("@ssl\\") {
        opening.remark("SHORTCUT_REMOTE", target.trim());
    }
}

fn read_link(octets: &[u8]) -> Link {
    let mut link = Link::default();
    let flags = le32(octets, 20).unwrap_or(0);
    let has = |bit: u32| flags & 1 << bit != 0;
    let mut at = 76;
    if has(0) {
        let size = usize::from(le16(octets, at).unwrap_or(0));
        read_list(slice(octets, at + 2, size), &mut link);
        at += 2 + size;
    }
    if has(1) {
        let size = le32(octets, at).map_or(0, place).min(octets.len());
        read_info(slice(octets, at, size), &mut link);
        at += size;
    }
    let mut strings = Vec::new();
    for bit in 2..=6 {
        let mut string = String::new();
        if has(bit) {
            let count = usize::from(le16(octets, at).unwrap_or(0));
            let size = if has(7) { count * 2 } else { count };
            let text = slice(octets, at + 2, size);
            string = match has(7) {
                true => utf16_le(text),
                false => crate::message::charset::guess(text).into_owned(),
            };
            at += 2 + size;
        }
        strings.push(string);
    }
    if let [name, relative, folder, arguments, icon] = strings.as_slice() {
        link.arguments.clone_from(arguments);
        link.icon.clone_from(icon);
        if link.target.is_empty() {
            link.target.clone_from(relative);
        }
        link.words.extend(
            [name, relative, folder, icon].into_iter().filter(|word| !word.is_empty()).cloned(),
        );
    }
    link.end = read_blocks(octets, at, &mut link);
    link
}

/// Section 2.2: the items' forms are the shell's own, so only their letters are read.
fn read_list(list: &[u8], link: &mut Link) {
    let wide = |at: usize| {
        let text = utf16_le(rest(list, at));
        let plain: String = text
            .chars()
            .take_while(|letter| !letter.is_control() && *letter != char::REPLACEMENT_CHARACTER)
            .take(1_024)
            .collect();
        plain
    };
    let mut at = 0;
    let mut path = Vec::new();
    while let Some(size) = le16(list, at).map(usize::from).filter(|size| *size >= 2) {
        let item = slice(list, at + 2, size - 2);
        if item.len() > 12 {
            let short: Vec<u8> = rest(item, 12)
                .iter()
                .copied()
                .take_while(|octet| (32..127).contains(octet))
                .collect();
            if short.len() >= 3 {
                path.push(String::from_utf8_lossy(&short).into_owned());
            }
            // A long name in UTF-16 stands somewhere in the extension of the item.
            let pair = |pair: &[u8]| matches!(pair, [32..=126, 0]);
            let start = (14..item.len().saturating_sub(8))
                .find(|start| slice(item, *start, 8).chunks(2).all(pair));
            if let Some(start) = start {
                path.push(wide(at + 2 + start));
            }
        }
        at += size;
    }
    if let Some(last) = path.last() {
        link.target.clone_from(last);
    }
    link.words.append(&mut path);
}

/// Section 2.3: the path on a disk, or the share.
fn read_info(info: &[u8], link: &mut Link) {
    let text = |at: usize| {
        let ended: Vec<u8> =
            rest(info, at).iter().copied().take_while(|octet| *octet != 0).take(1_024).collect();
        crate::message::charset::guess(&ended).into_owned()
    };
    let header = le32(info, 4).unwrap_or(0);
    let flags = le32(info, 8).unwrap_or(0);
    let offset = |at: usize| le32(info, at).map(place).filter(|at| *at > 0);
    let mut target = String::new();
    if flags & 1 != 0 {
        target = match (header >= 0x24).then(|| offset(28)).flatten() {
            Some(at) => utf16_le(slice(info, at, 2_048)),
            None => offset(16).map(text).unwrap_or_default(),
        };
    }
    if flags & 2 != 0 {
        let network = offset(20).unwrap_or(0);
        let name = le32(info, network.saturating_add(8)).map_or(0, place);
        target = text(network.saturating_add(name));
    }
    let suffix = offset(24).map(text).unwrap_or_default();
    if !suffix.is_empty() && !target.is_empty() {
        target = format!("{}\\{suffix}", target.trim_end_matches('\\'));
    }
    if !target.is_empty() {
        link.target.clone_from(&target);
        link.words.push(target);
    }
}

/// Section 2.5: blocks to the one whose size is less than 4. Returns where it ends.
fn read_blocks(octets: &[u8], from: usize, link: &mut Link) -> usize {
    let mut at = from;
    loop {
        let Some(size) = le32(octets, at).map(place) else { return at };
        if size < 4 {
            return at + 4;
        }
        if size > octets.len().saturating_sub(at) {
            return at;
        }
        let block = slice(octets, at, size);
        // The target with variables, and where the icon comes from.
        match le32(block, 4) {
            Some(0xa000_0001) => {
                let wide = utf16_le(slice(block, 268, 520));
                if !wide.is_empty() {
                    link.words.push(wide.clone());
                    link.target = wide;
                }
            }
            Some(0xa000_0007) => link.icon = utf16_le(slice(block, 268, 520)),
            _ => {}
        }
        at += size;
    }
}

/// Takes a shortcut apart that is text: `.url`, `.desktop`, `.webloc`, libraries, searches,
/// settings, remote desktops, terminals, web installers, launchers, consoles, scraps.
pub(in crate::message) fn open_text(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let source = read(octets, opening);
    for line in source.lines().take(10_000) {
        opening.pay_time()?;
        read_line(line.trim(), opening);
    }
    if source.trim_start().starts_with('<') {
        read_elements(&source, opening)?;
        read_terminal(&source, opening);
    } else if source.starts_with("bplist") && source.contains("CommandString") {
        opening.remark("SHORTCUT_COMMAND", "CommandString");
    } else if source.starts_with("bplist") {
        let url: String = source
            .chars()
            .skip_while(|letter| *letter != '_')
            .take_while(|letter| !letter.is_control())
            .collect();
        opening.remark("SHORTCUT_LINK", url);
    }
    Ok(())
}

fn read_line(line: &str, opening: &mut Opening<'_, '_>) {
    let Some((key, value)) = line.split_once(['=', ':']) else { return };
    let value = value.trim();
    match key.trim().to_lowercase().as_str() {
        "url" | "baseurl" | "origurl" => remark_link(value, opening),
        "iconfile" | "workingdirectory" | "wallpaper" | "setuphelper" => {
            remark_foreign(value, opening)
        }
        "exec" | "tryexec" | "command" if !value.is_empty() => remark_command(value, opening),
        "full address" | "alternate full address" | "gatewayhostname" => {
            opening.remark("RDP_FILE", value.trim_start_matches("s:"));
        }
        "drivestoredirect" if value.len() > 2 => opening.remark("RDP_REDIRECTS", value),
        "remoteapplicationprogram" | "alternate shell" if value.len() > 2 => {
            opening.remark("RDP_PROGRAM", value.trim_start_matches("s:"));
        }
        _ => {}
    }
}

fn remark_link(target: &str, opening: &mut Opening<'_, '_>) {
    let lower = target.to_lowercase();
    opening.remark("SHORTCUT_LINK", target);
    remark_foreign(target, opening);
    let local =
        lower.starts_with("file:") || lower.starts_with("\\\\") || lower.get(1..3) == Some(":\\");
    const HANDLERS: [&str; 8] = [
        "search-ms:",
        "ms-msdt:",
        "search:",
        "ms-officecmd:",
        "shell:",
        "javascript:",
        "vbscript:",
        "mhtml:",
    ];
    if local
        || HANDLERS.iter().any(|handler| lower.starts_with(handler))
        || lower.contains("!x-usc:")
    {
        opening.remark("SHORTCUT_COMMAND", target);
    }
}

fn remark_command(command: &str, opening: &mut Opening<'_, '_>) {
    opening.remark("SHORTCUT_COMMAND", command);
    script::look_at_command(command, opening);
    remark_foreign(command, opening);
}

/// The command of macOS Terminal settings: the string behind its key.
fn read_terminal(source: &str, opening: &mut Opening<'_, '_>) {
    const KEY: &str = "<key>commandstring</key>";
    let Some(at) = source.to_ascii_lowercase().find(KEY) else { return };
    let behind = source.get(at + KEY.len()..).unwrap_or_default();
    let value = behind.split_once("<string>").map_or(behind, |(_, value)| value);
    let value: String = value.split("</").next().unwrap_or_default().chars().take(4_096).collect();
    remark_command(html_to_text(&value).trim(), opening);
}

/// Elements whose text leads somewhere.
fn read_elements(source: &str, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let lower = source.to_lowercase();
    for (element, is_command) in
        [("deeplink", true), ("url", false), ("simplelocation", false), ("string", false)]
    {
        let open = format!("<{element}>");
        for at in memchr::memmem::find_iter(lower.as_bytes(), open.as_bytes()).take(100) {
            opening.pay_time()?;
            let inner = source.get(at + open.len()..).unwrap_or_default();
            let inner = inner.split("</").next().unwrap_or_default();
            let inner: String = inner.chars().take(4_096).collect();
            let value = html_to_text(&inner);
            let value = value.trim().trim_start_matches("<![CDATA[").trim_end_matches("]]>").trim();
            match is_command {
                true if !value.is_empty() => remark_command(value, opening),
                false if value.contains("://") || value.starts_with("\\\\") => {
                    remark_link(value, opening)
                }
                _ => {}
            }
        }
    }
    for (key, name) in [("codebase=", "WEB_INSTALLER"), ("href=", "WEB_INSTALLER")] {
        let installs = any(
            &lower,
            &["<deployment", "<jnlp", ":deployment", "<appinstaller", "deploymentprovider"],
        );
        if installs && let Some(at) = lower.find(key) {
            let value = source.get(at + key.len()..).unwrap_or_default();
            let value: String = value
                .chars()
                .skip(1)
                .take_while(|letter| !matches!(letter, '"' | '\'' | '>'))
                .take(512)
                .collect();
            if value.contains("://") {
                opening.remark(name, value);
            }
        }
    }
    // A console that shows a web page runs its script outside of any browser.
    if lower.contains("<mmc_consolefile")
        && any(
            &lower,
            &[
                "res://",
                "javascript:",
                "apds.dll",
                "<script",
                "vbscript",
                "http://",
                "https://",
                "commandline=",
                "<actionstask",
                "executecommandline",
            ],
        )
    {
        opening.remark("MSC_SCRIPT", "");
        script::look(source, opening)?;
    }
    Ok(())
}
