//! Each key of a condition: what it holds for and what not.

use super::*;

fn holds(when: &str, situation: &Situation) -> bool {
    let text = format!("[[rule]]\nname = 'x'\nwhen = {when}\norders = ['discard']\n");
    finals(&book(&text), situation).is_some()
}

#[test]
fn conditions_hold_and_fail() {
    let table: &[(&str, bool)] = &[
        ("{}", true),
        ("{ direction = 'outbound' }", true),
        ("{ direction = ['inbound', 'internal'] }", false),
        ("{ role = 'submission' }", true),
        ("{ role = 'outbound' }", false),
        ("{ reverse_path = 'ANN@own.test' }", true),
        ("{ reverse_path = '@own.test' }", true),
        ("{ reverse_path = '@*.own.test' }", false),
        ("{ reverse_path = '@*.test' }", true),
        ("{ reverse_path = 'a*@own.test' }", true),
        ("{ reverse_path = 'b*@own.test' }", false),
        ("{ reverse_path = '<>' }", false),
        ("{ reverse_path = 'ann@own.tes' }", false),
        ("{ forward_path = '@*.partner.test' }", true),
        ("{ forward_path = '@partner.test' }", false),
        ("{ forward_path = ['x@y.test', 'bob@mail.partner.test'] }", true),
        ("{ sender_domain = 'own.test' }", true),
        ("{ sender_domain = '*.own.test' }", false),
        ("{ recipient_domain = '*.partner.test' }", true),
        ("{ recipient_domain = 'mail.*' }", true),
        ("{ recipient_domain = 'partner.test' }", false),
        ("{ sender_group = 'finance' }", true),
        ("{ sender_group = 'group:it' }", false),
        ("{ recipient_group = ['it', 'board'] }", true),
        ("{ recipient_group = 'finance' }", false),
        ("{ author = '@board.own.test' }", true),
        ("{ author = 'chair@*' }", true),
        ("{ author = 'bob@own.test' }", false),
        ("{ header = { name = 'x-label' } }", true),
        ("{ header = { name = 'X-Label', contains = 'SECRET' } }", true),
        ("{ header = { name = 'X-Label', contains = 'secrets' } }", false),
        ("{ header = { name = 'X-Label', is = 'top secret' } }", true),
        ("{ header = { name = 'X-Label', is = 'secret' } }", false),
        ("{ header = { name = 'X-Label', matches = 'top*' } }", true),
        ("{ header = { name = 'X-Label', matches = '*top' } }", false),
        ("{ header = { name = 'X-Other', absent = true } }", true),
        ("{ header = { name = 'X-Label', absent = true } }", false),
        ("{ header = { name = 'X-Other' } }", false),
        ("{ subject = '[SECURE]' }", true),
        ("{ subject = 'budgets' }", false),
        ("{ subject = 're:*' }", true),
        ("{ subject = 'budget*' }", false),
        ("{ subject = { is = 're: the budget [secure]' } }", true),
        ("{ subject = { contains = ['nothing', 'budget'] } }", true),
        ("{ network = '192.0.2.0/24' }", true),
        ("{ network = ['2001:db8::/32', '10.0.0.1'] }", false),
        ("{ account = 'ann' }", true),
        ("{ account = 'a*' }", true),
        ("{ account = 'bob' }", false),
        ("{ authentication = { spf = ['fail', 'softfail'] } }", true),
        ("{ authentication = { spf = 'fail' } }", false),
        ("{ authentication = { dmarc = 'fail', dkim = 'none' } }", true),
        ("{ authentication = { dmarc = 'fail', arc = 'pass' } }", false),
        ("{ finding = 'MACRO_AUTO_OPEN' }", true),
        ("{ finding = 'MACRO_*' }", true),
        ("{ finding = ['A', 'B'] }", false),
        ("{ class = 'malware' }", true),
        ("{ class = ['spam', 'notice'] }", false),
        ("{ score = { at_least = 3.5 } }", true),
        ("{ score = { at_least = 4 } }", false),
        ("{ score = { at_least = 1, below = 4.0 } }", true),
        ("{ score = { below = 3.5 } }", false),
        ("{ content = 'NHS_NUMBERS' }", true),
        ("{ content = { rule = 'NHS_NUMBERS', count = 4 } }", true),
        ("{ content = { rule = 'NHS_NUMBERS', count = 5 } }", false),
        ("{ content = { class = 'policy', severity = 'high' } }", true),
        ("{ content = { class = 'profanity', severity = 'medium' } }", false),
        ("{ content = { severity = 'critical' } }", false),
        ("{ content = { rule = ['X', 'RUDE'], class = ['policy', 'profanity'] } }", true),
        ("{ content = { rule = 'RUDE', class = 'policy' } }", false),
        ("{ attachment = {} }", true),
        ("{ attachment = { type = 'docm' } }", true),
        ("{ attachment = { type = 'zip', macro = true } }", false),
        ("{ attachment = { family = ['archive', 'disk-image'] } }", true),
        ("{ attachment = { family = 'executable' } }", false),
        ("{ attachment = { extension = '.ZIP' } }", true),
        ("{ attachment = { extension = 'exe' } }", false),
        ("{ attachment = { name = 'plan*' } }", true),
        ("{ attachment = { name = 'plan' } }", false),
        ("{ attachment = { encrypted = true } }", true),
        ("{ attachment = { encrypted = false, extension = 'zip' } }", false),
        ("{ attachment = { state = 'macro' } }", true),
        ("{ attachment = { state = 'double-extension' } }", false),
        ("{ attachment = { larger = '1 MB' } }", true),
        ("{ attachment = { larger = 2000000 } }", false),
        ("{ attachment = { count = 2 } }", true),
        ("{ attachment = { count = 3 } }", false),
        ("{ size = { at_least = '3 MB' } }", true),
        ("{ size = { at_least = '3 MiB' } }", false),
        ("{ size = { below = 3000000 } }", false),
        ("{ time = { days = 'fri' } }", true),
        ("{ time = { days = ['weekend', 'monday'] } }", false),
        ("{ time = { from = '17:30', until = '18:00' } }", true),
        ("{ time = { from = '08:00', until = '17:30' } }", false),
        ("{ time = { from = '18:00', until = '17:31' } }", true),
        ("{ time = { days = 'thu', from = '18:00', until = '17:31' } }", true),
        ("{ time = { days = 'thu', from = '18:00', until = '17:30' } }", false),
        ("{ time = { from = '18:30', until = '18:31', zone = 'Europe/Berlin' } }", true),
        ("{ tls = 'any' }", true),
        ("{ tls = '1.3' }", true),
        ("{ tls = ['1.2', 'none'] }", false),
        ("{ tls = 'verified' }", false),
        ("{ marking = 'OFFICIAL-SENSITIVE' }", true),
        ("{ marking = 'official*' }", true),
        ("{ marking = 'OFFICIAL' }", false),
        ("{ not = { tls = 'verified' } }", true),
        ("{ not = { tls = 'any' } }", false),
        ("{ not = [{ tls = 'none' }, { role = 'inbound' }] }", true),
        ("{ all = [{ tls = 'any' }, { role = 'submission' }] }", true),
        ("{ all = [{ tls = 'any' }, { role = 'inbound' }] }", false),
        ("{ any = [{ tls = 'none' }, { role = 'submission' }] }", true),
        ("{ any = [{ tls = 'none' }, { role = 'inbound' }] }", false),
        ("{ direction = 'outbound', marking = 'SECRET' }", false),
        ("{ any = [{ not = { all = [{ tls = 'any' }, { class = 'spam' }] } }] }", true),
    ];
    let rich = rich();
    for (when, expected) in table {
        assert_eq!(holds(when, &rich), *expected, "{when}");
    }
}

#[test]
fn a_null_reverse_path_is_nobodys() {
    let situation = Situation { reverse_path: None, ..rich() };
    assert!(holds("{ reverse_path = '<>' }", &situation));
    assert!(!holds("{ reverse_path = '*' }", &situation));
    assert!(holds("{ not = { reverse_path = '@own.test' } }", &situation));
}

#[test]
fn what_is_not_known_does_not_hold() {
    let situation = Situation { client: None, account: None, time: None, ..rich() };
    for when in ["{ network = '0.0.0.0/0' }", "{ account = '*' }", "{ time = { from = '00:01' } }"]
    {
        assert!(!holds(when, &situation), "{when}");
    }
}

#[test]
fn globs_match_as_a_whole() {
    let table = [
        ("", "", true),
        ("*", "", true),
        ("a*b", "ab", true),
        ("a*b", "aab", true),
        ("a*b", "a", false),
        ("a*a", "a", false),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b*", "xxbxxaxx", false),
        ("*ab*ab", "abab", true),
        ("*ab*ab", "ab", false),
        ("a**b", "axb", true),
    ];
    for (glob, text, expected) in table {
        let glob = crate::policy::rules::pattern::Glob::new(glob);
        assert_eq!(glob.matches(text), expected, "{glob:?} {text}");
    }
}
