//! All that the pages do can be done by programs: each route of the site has its operation of the
//! API, or a reason why it needs none. A route that is in no row here makes this test fail.

use std::collections::{HashMap, HashSet};

use super::super::routes::{self, Need, Route};

/// How programs do what a route of the site does.
enum By {
    /// By these operations; of a route that changes anything the first one does it, and needs
    /// the same right.
    Api(&'static [&'static str]),
    /// Not at all, and why that is right.
    Nothing(&'static str),
}
use By::{Api, Nothing};

/// Where the page itself is what is wanted.
const COUNTERPARTS: &[(&str, By)] = &[
    // Frame and log-in.
    ("POST /theme", Nothing("light or dark is how one browser shows the pages")),
    ("GET /health", Nothing("it is made for programs as it is, and needs no key")),
    ("GET /login", Nothing("programs have keys; passwords and codes are for people")),
    ("POST /login", Nothing("programs have keys; passwords and codes are for people")),
    ("POST /logout", Api(&["endSession", "endOtherSessions", "revokeKey"])),
    ("GET /approval/{secret}", Nothing("the link in a mail is for one person, who has no key")),
    ("POST /approval/{secret}", Nothing("that person's own answer; `decide` answers for them")),
    // Dashboard.
    ("GET /", Api(&["status", "flow", "top", "health", "counters"])),
    ("GET /events", Api(&["counters", "metrics"])),
    ("GET /metrics", Api(&["metrics"])),
    // Tracking.
    ("GET /tracking", Api(&["searchMails"])),
    ("GET /tracking/find", Api(&["searchMails", "mail"])),
    ("GET /tracking/export", Api(&["exportMails"])),
    ("GET /tracking/{id}", Api(&["mail"])),
    ("GET /tracking/{id}/source", Api(&["mailSource"])),
    ("GET /tracking/{id}/message.eml", Api(&["mailSource"])),
    ("POST /tracking/{id}/resend", Api(&["resendMail"])),
    ("POST /tracking/{id}/report", Api(&["reportMail"])),
    ("POST /tracking/{id}/sender", Api(&["listSenderOfMail", "changeSender", "senders"])),
    // Quarantine.
    ("GET /quarantine", Api(&["quarantine"])),
    ("GET /quarantine/waiting", Api(&["approvals"])),
    (
        "POST /quarantine/act",
        Api(&["actOnManyQuarantined", "actOnQuarantine", "releaseSome", "decide"]),
    ),
    ("GET /quarantine/{id}", Api(&["quarantined", "quarantinedSource"])),
    ("GET /quarantine/{id}/preview", Api(&["previewQuarantined"])),
    // Queue.
    ("GET /queue", Api(&["queue", "queueDestinations"])),
    ("POST /queue/act", Api(&["actOnManyQueued", "actOnQueue", "reroute", "bounce"])),
    ("GET /queue/{id}", Api(&["queued"])),
    // First steps.
    ("GET /setup", Api(&["setup"])),
    ("POST /setup/code", Nothing("there is nobody yet whose key could be used")),
    ("POST /setup/owner", Nothing("there is nobody yet whose key could be used")),
    ("GET /setup/name", Api(&["sections"])),
    ("POST /setup/name", Api(&["applyConfiguration", "draftConfiguration"])),
    ("GET /setup/domains", Api(&["sections"])),
    ("POST /setup/domains", Api(&["applyConfiguration", "draftConfiguration"])),
    ("POST /setup/hop", Api(&["checkNextHop"])),
    ("GET /setup/dns", Api(&["checkDns"])),
    ("GET /setup/certificate", Api(&["certificate"])),
    ("POST /setup/certificate", Api(&["putCertificate"])),
    ("POST /setup/certificate/own", Api(&["dropCertificate"])),
    ("GET /setup/antivirus", Api(&["sections"])),
    ("POST /setup/antivirus", Api(&["applyConfiguration", "draftConfiguration"])),
    ("POST /setup/antivirus/test", Api(&["checkAntivirus"])),
    ("GET /setup/message", Api(&["searchMails"])),
    ("POST /setup/message", Api(&["checkMessage"])),
    // Settings.
    ("GET /settings", Api(&["sections"])),
    ("GET /settings/text", Api(&["configuration"])),
    ("POST /settings/text", Api(&["applyConfiguration", "checkConfiguration"])),
    ("POST /settings/apply", Api(&["applyConfiguration"])),
    ("GET /settings/history", Api(&["configurationVersions"])),
    ("GET /settings/history/{number}", Api(&["configurationVersion", "configurationDiff"])),
    ("POST /settings/history/{number}", Api(&["restoreConfiguration"])),
    ("GET /settings/section/{path}", Api(&["sections"])),
    ("POST /settings/section/{path}", Api(&["applyConfiguration", "draftConfiguration"])),
    ("GET /settings/section/{path}/{at}", Api(&["sections"])),
    ("POST /settings/section/{path}/{at}", Api(&["applyConfiguration", "draftConfiguration"])),
    ("POST /settings/remove/{path}/{at}", Api(&["applyConfiguration", "draftConfiguration"])),
    ("GET /mailboxes", Api(&["mailboxes"])),
    ("POST /mailboxes", Api(&["putMailbox"])),
    ("POST /mailboxes/remove", Api(&["removeMailbox"])),
    ("GET /senders", Api(&["senders"])),
    ("POST /senders", Api(&["changeSender"])),
    // People.
    ("GET /people", Api(&["people"])),
    ("POST /people", Api(&["addPerson"])),
    ("GET /people/{name}", Api(&["person", "sessionsOf"])),
    ("POST /people/{name}", Api(&["changePerson"])),
    ("POST /people/{name}/password", Api(&["setPassword"])),
    ("POST /people/{name}/second", Api(&["dropSecondFactor"])),
    ("POST /people/{name}/sessions", Api(&["endSessionsOf"])),
    ("POST /people/{name}/remove", Api(&["removePerson"])),
    // Own account.
    ("GET /account", Api(&["account", "sessions", "keys"])),
    ("POST /account/password", Api(&["changeOwnPassword"])),
    ("GET /account/second", Api(&["beginSecondFactor"])),
    ("POST /account/second", Api(&["enrolSecondFactor"])),
    ("POST /account/second/drop", Api(&["dropOwnSecondFactor"])),
    ("POST /account/sessions", Api(&["endSession", "endOtherSessions"])),
    ("POST /account/keys", Api(&["issueKey"])),
    ("POST /account/keys/end", Api(&["revokeKey"])),
    // Audit.
    ("GET /audit", Api(&["acts"])),
    ("GET /audit.csv", Api(&["exportActs"])),
    // Policy.
    ("GET /policy", Api(&["rules", "policy"])),
    ("POST /policy/begin", Api(&["beginPolicy"])),
    ("GET /policy/text", Api(&["policy"])),
    ("POST /policy/text", Api(&["checkPolicy"])),
    ("POST /policy/check", Api(&["checkPolicy"])),
    ("POST /policy/publish", Api(&["publishPolicy"])),
    ("GET /policy/rule", Api(&["rule"])),
    ("POST /policy/rule", Api(&["draftRule"])),
    ("GET /policy/try", Api(&["tryPattern"])),
    ("POST /policy/try", Api(&["tryPattern"])),
    ("GET /policy/replay", Api(&["replayPolicy"])),
    ("POST /policy/replay", Api(&["replayPolicy"])),
    ("GET /policy/history", Api(&["policyVersions"])),
    ("GET /policy/history/{number}", Api(&["policyVersion", "policyDiff"])),
    ("POST /policy/history/{number}/restore", Api(&["restorePolicy"])),
];

fn pages() -> impl Iterator<Item = &'static Route> {
    let all = routes::ROUTES.iter().copied().flatten();
    all.filter(|route| !route.path.starts_with("/api/"))
}

fn operations() -> HashMap<&'static str, Need> {
    let all = routes::ROUTES.iter().copied().flatten();
    all.filter_map(|route| Some((route.described?.about.id, route.need))).collect()
}

#[test]
fn every_act_of_the_site_has_its_operation_or_a_reason_for_none() {
    let operations = operations();
    let mut told = HashSet::new();
    for (named, by) in COUNTERPARTS {
        assert!(told.insert(*named), "{named} is there twice");
        let route = pages().find(|route| format!("{} {}", route.method, route.path) == **named);
        let route = route.unwrap_or_else(|| panic!("{named} is no route of the site any more"));
        match by {
            Api(ids) => {
                assert!(!ids.is_empty(), "{named}");
                for id in *ids {
                    assert!(operations.contains_key(id), "{named}: there is no operation {id}");
                }
                if route.method != "GET" {
                    // No page takes a key: to be somebody is to have logged in there.
                    let needed = match (route.need, operations[ids[0]]) {
                        (Need::LogIn, Need::Session) => Need::Session,
                        (need, _) => need,
                    };
                    assert_eq!(operations[ids[0]], needed, "{named}: {} needs another", ids[0]);
                }
            }
            Nothing(why) => assert!(why.split(' ').count() > 4, "{named}: {why:?} is no reason"),
        }
    }
    let missing: Vec<String> = pages()
        .map(|route| format!("{} {}", route.method, route.path))
        .filter(|named| !told.contains(named.as_str()))
        .collect();
    assert!(missing.is_empty(), "neither operation nor reason: {missing:?}");
}
