//! The log against a disk that crashes and fails at any step: whatever happens, what was
//! acknowledged is there, nothing is there in part, and what was ended stays ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::committer::{Shared, commit_copies, recover};
use super::disk::Disk;
use super::keeper;
use super::sim::{Fault, SimDisk};
use super::writer::{Append, Origin, Patience, Reply, Writer};
use super::*;

const ACCEPT: u8 = 1;
const STATE: u8 = 2;
const END: u8 = 3;

/// One mail as the owner sees it. Kept small: what the owner must know to release.
#[derive(Debug, Clone, Copy)]
struct Known {
    accept: Position,
    state: Option<(Position, u64)>,
}

/// What the test knows of each mail that it ever submitted.
#[derive(Debug, Clone, Default)]
struct Truth {
    octets: usize,
    accepted: bool,
    end_submitted: bool,
    ended: bool,
    state_submitted: u64,
    state_durable: u64,
}

#[derive(Debug, Default)]
struct Owner {
    mails: Mutex<BTreeMap<MailId, Known>>,
    /// States of mails whose end is not durable yet: needed until it is.
    ending: Mutex<BTreeMap<MailId, Vec<Position>>>,
}

impl Relocate for Owner {
    fn is_live(&self, kind: u8, mail_id: MailId, position: Position) -> bool {
        let mails = locked(&self.mails);
        let Some(known) = mails.get(&mail_id) else { return false };
        match kind {
            ACCEPT => known.accept == position,
            STATE => known.state.is_some_and(|(state, _)| state == position),
            _ => false,
        }
    }

    fn moved(&self, kind: u8, mail_id: MailId, old: Position, new: Position) {
        let mut mails = locked(&self.mails);
        let Some(known) = mails.get_mut(&mail_id) else { return };
        match (kind, &mut known.state) {
            (ACCEPT, _) if known.accept == old => known.accept = new,
            (STATE, Some((state, _))) if *state == old => *state = new,
            _ => {}
        }
    }
}

/// What happens to the first mail of each group of copies between the owner's word that it
/// is live and the writing of the copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// Its end is submitted.
    End,
    /// Its end is made durable.
    EndAndCommit,
}

#[derive(Debug, Clone)]
enum Op {
    Accept(usize),
    State(usize),
    End(usize),
    Commit,
    Rotate,
    /// How full a segment may be, and what the owner does while it is emptied.
    Compact(u64, Meanwhile),
    Prepare,
    Fail(u32, u32, bool),
    Crash(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..9000).prop_map(Op::Accept),
        1 => (30_000usize..60_000).prop_map(Op::Accept),
        4 => any::<usize>().prop_map(Op::State),
        6 => any::<usize>().prop_map(Op::End),
        6 => Just(Op::Commit),
        2 => Just(Op::Rotate),
        6 => ((10u64..102), prop_oneof![
            3 => Just(Meanwhile::Nothing),
            1 => Just(Meanwhile::End),
            1 => Just(Meanwhile::EndAndCommit),
        ]).prop_map(|(percent, meanwhile)| Op::Compact(percent, meanwhile)),
        1 => Just(Op::Prepare),
        2 => (0u32..12, 1u32..4, any::<bool>()).prop_map(|(wait, n, full)| Op::Fail(wait, n, full)),
        2 => any::<u64>().prop_map(Op::Crash),
    ]
}

fn mail_id(number: u32) -> MailId {
    let mut octets = [0u8; 12];
    octets[8..].copy_from_slice(&number.to_be_bytes());
    MailId::from_octets(octets)
}

fn body(number: u32, octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at as u32 ^ number.wrapping_mul(2_654_435_761)) as u8).collect()
}

type Acknowledged = Arc<Mutex<Vec<(u8, u32, u64, Position)>>>;

struct World {
    disk: Arc<SimDisk>,
    shared: Arc<Shared>,
    writer: Writer,
    owner: Arc<Owner>,
    truth: BTreeMap<u32, Truth>,
    waiting: Vec<Append>,
    acknowledged: Acknowledged,
}

fn options() -> LogOptions {
    LogOptions { dir: "sim".into(), segment_octets: 40_960, reserve_octets: 0 }
}

impl World {
    fn new() -> World {
        let disk = SimDisk::new(7);
        let as_disk = Arc::clone(&disk) as Arc<dyn Disk>;
        let (shared, writer, _) = recover(as_disk, options(), &mut |_| Liveness::Live).unwrap();
        World {
            disk,
            shared,
            writer,
            owner: Arc::default(),
            truth: BTreeMap::new(),
            waiting: Vec::new(),
            acknowledged: Arc::default(),
        }
    }

    fn push(&mut self, kind: u8, number: u32, value: u64, content: Option<Vec<u8>>, terms: Terms) {
        let acknowledged = Arc::clone(&self.acknowledged);
        let reply = Reply::Call(Box::new(move |done: Result<Position, LogError>| {
            if let Ok(position) = done {
                locked(&acknowledged).push((kind, number, value, position));
            }
        }));
        let mut head = value.to_le_bytes().to_vec();
        head.extend_from_slice(&number.to_le_bytes());
        let record =
            Record { kind, mail_id: mail_id(number), head, body: content.map(Content::from_bytes) };
        let patience = if kind == ACCEPT { Patience::Urgent } else { Patience::Later };
        let sealed = record.seal().unwrap();
        self.waiting.push(Append { sealed, terms, patience, origin: Origin::New, reply });
    }

    /// A live mail, chosen by the test.
    fn pick(&self, choice: usize) -> Option<(u32, Known)> {
        let mails = locked(&self.owner.mails);
        let (id, known) = mails.iter().nth(choice % mails.len().max(1))?;
        let number = u32::from_be_bytes(*id.octets().last_chunk::<4>().unwrap());
        Some((number, *known))
    }

    fn commit(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = self.writer.commit(waiting);
        if self.waiting.is_empty() && self.writer.remembers_old_places() {
            self.writer.forget_old_places(&mut []);
        }
        for (kind, number, value, position) in std::mem::take(&mut *locked(&self.acknowledged)) {
            let truth = self.truth.get_mut(&number).unwrap();
            let mut mails = locked(&self.owner.mails);
            match kind {
                ACCEPT => {
                    truth.accepted = true;
                    mails.insert(mail_id(number), Known { accept: position, state: None });
                }
                STATE => {
                    truth.state_durable = truth.state_durable.max(value);
                    match mails.get_mut(&mail_id(number)) {
                        Some(known) => {
                            if let Some((old, _)) = known.state.replace((position, value)) {
                                drop(mails);
                                self.writer.release(old);
                            }
                        }
                        None => {
                            let mut ending = locked(&self.owner.ending);
                            ending.get_mut(&mail_id(number)).unwrap().push(position);
                        }
                    }
                }
                _ => {
                    truth.ended = true;
                    drop(mails);
                    let states = locked(&self.owner.ending).remove(&mail_id(number)).unwrap();
                    states.into_iter().for_each(|position| self.writer.release(position));
                }
            }
        }
    }

    fn compact(&mut self, percent: u64, meanwhile: Meanwhile) {
        let later = Instant::now() + Duration::from_secs(3600);
        let Some(number) = locked(&self.shared.ledger).candidate(percent, later) else { return };
        let (shared, owner) = (Arc::clone(&self.shared), Arc::clone(&self.owner));
        let mut send = |group: Vec<Append>| {
            let first =
                group.first().map(Append::mail_id).filter(|_| meanwhile != Meanwhile::Nothing);
            if let Some(first) = first {
                self.end(u32::from_be_bytes(*first.octets().last_chunk::<4>().unwrap()));
            }
            if meanwhile == Meanwhile::EndAndCommit {
                self.commit();
            }
            commit_copies(&shared.ledger, &mut self.writer, group, Some(&*owner))
        };
        let done = keeper::empty(&shared, number, Some(&*owner), &mut send);
        if done.is_ok() {
            let _ = keeper::delete_if_free(&shared, number);
        }
    }

    fn end(&mut self, number: u32) {
        let Some(known) = locked(&self.owner.mails).remove(&mail_id(number)) else { return };
        locked(&self.owner.ending).insert(mail_id(number), Vec::new());
        self.truth.get_mut(&number).unwrap().end_submitted = true;
        let terms = Terms {
            purpose: Purpose::Outcome,
            ends: Some(known.accept),
            releases: known.state.map(|(position, _)| position).into_iter().collect(),
        };
        self.push(END, number, 0, None, terms);
    }

    fn run(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Accept(octets) => {
                let number = self.truth.len() as u32 + 1;
                self.truth.insert(number, Truth { octets, ..Truth::default() });
                self.push(ACCEPT, number, 0, Some(body(number, octets)), Terms::default());
            }
            Op::State(choice) => {
                if let Some((number, _)) = self.pick(choice) {
                    let truth = self.truth.get_mut(&number).unwrap();
                    truth.state_submitted += 1;
                    let value = truth.state_submitted;
                    self.push(STATE, number, value, None, Terms::plain(Purpose::Outcome));
                }
            }
            Op::End(choice) => {
                if let Some((number, _)) = self.pick(choice) {
                    self.end(number);
                }
            }
            Op::Commit => self.commit(),
            Op::Rotate => drop(self.writer.rotate()),
            Op::Compact(percent, meanwhile) => self.compact(percent, meanwhile),
            Op::Prepare => {
                if let Ok(spare) = keeper::fill(&*self.disk, 40_960, &|| false) {
                    *locked(&self.shared.spare) = Some(spare);
                }
            }
            Op::Fail(wait, count, full) => {
                let fault = if full { Fault::Full } else { Fault::Broken };
                self.disk.fail(wait, count, fault);
            }
            Op::Crash(seed) => {
                self.disk.crash(seed);
                self.reopen()?;
            }
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), TestCaseError> {
        self.waiting.clear();
        locked(&self.acknowledged).clear();
        locked(&self.owner.ending).clear();
        let mut mails: BTreeMap<MailId, Known> = BTreeMap::new();
        let mut accepts = BTreeMap::new();
        let mut states: BTreeMap<MailId, (u64, Position, u64)> = BTreeMap::new();
        let mut ended = Vec::new();
        let mut dead = Vec::new();
        let mut visit = |entry: Entry<'_>| {
            let (id, at) = (entry.mail_id, entry.position);
            let value = u64::from_le_bytes(*entry.head.first_chunk().unwrap());
            match entry.kind {
                ACCEPT => dead.extend(accepts.insert(id, at)),
                STATE => match states.get(&id) {
                    Some((newer, ..)) if *newer > entry.sequence => dead.push(at),
                    _ => {
                        let old = states.insert(id, (entry.sequence, at, value));
                        dead.extend(old.map(|(_, at, _)| at));
                    }
                },
                _ => ended.push(id),
            }
            Liveness::Live
        };
        let as_disk = Arc::clone(&self.disk) as Arc<dyn Disk>;
        let (shared, mut writer, _) = recover(as_disk, options(), &mut visit).unwrap();
        for id in &ended {
            dead.extend(accepts.remove(id));
        }
        for (id, (_, at, value)) in states {
            match accepts.contains_key(&id) {
                true => {
                    mails.insert(id, Known { accept: at, state: Some((at, value)) });
                }
                false => dead.push(at),
            }
        }
        for (id, accept) in accepts {
            let state = mails.get(&id).and_then(|known| known.state);
            mails.insert(id, Known { accept, state });
        }
        dead.into_iter().for_each(|position| writer.release(position));
        (self.shared, self.writer) = (shared, writer);
        self.check(&mails)?;
        *locked(&self.owner.mails) = mails;
        Ok(())
    }

    fn check(&mut self, mails: &BTreeMap<MailId, Known>) -> Result<(), TestCaseError> {
        for (number, truth) in &mut self.truth {
            let known = mails.get(&mail_id(*number));
            if truth.accepted && !truth.end_submitted {
                prop_assert!(known.is_some(), "mail {number} is lost");
            }
            if truth.ended {
                prop_assert!(known.is_none(), "mail {number} rose from the dead");
            }
            let Some(known) = known else {
                // Never accepted, or its end survived: either way it must not come back.
                truth.ended = truth.accepted;
                truth.end_submitted = true;
                continue;
            };
            truth.accepted = true;
            truth.end_submitted = false;
            let value = known.state.map_or(0, |(_, value)| value);
            prop_assert!(value >= truth.state_durable, "mail {number} forgot its state");
            prop_assert!(value <= truth.state_submitted);
            truth.state_durable = value;
            let at = known.accept;
            let (file, _, _) = self.shared.segment_file(at.segment()).unwrap();
            let content = file.content(at.body_offset(), at.body_octets()).unwrap();
            let expected = body(*number, truth.octets);
            prop_assert!(content.read_all().unwrap() == expected, "mail {number} is not whole");
        }
        let unknown = mails.len() > self.truth.len();
        prop_assert!(!unknown);
        Ok(())
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        // More of them on demand: the default fits into a few seconds.
        cases: std::env::var("POSTERN_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_500),
        max_shrink_iters: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_ended_returns(
        ops in proptest::collection::vec(op(), 1..120),
        last in any::<u64>(),
    ) {
        let mut world = World::new();
        for op in ops {
            world.run(op)?;
        }
        world.run(Op::Crash(last))?;
        // Once more without trouble: everything that is ended can also be cleaned away.
        world.disk.heal();
        for choice in 0..world.truth.len() {
            world.run(Op::End(choice))?;
        }
        world.run(Op::Commit)?;
        world.run(Op::Rotate)?;
        for _ in 0..200 {
            world.run(Op::Compact(101, Meanwhile::Nothing))?;
        }
        world.run(Op::Crash(last >> 1))?;
        prop_assert!(locked(&world.owner.mails).is_empty());
        prop_assert!(world.disk.all_names().len() <= 3, "{:?}", world.disk.all_names());
    }
}
