//! A disk that forgets, tears and refuses, for tests.
//!
//! Written octets and names reach the platter only with a sync. A crash keeps any subset of
//! the pending writes of each file, each cut at any octet, and any prefix of the pending
//! changes of names. A sync that fails drops what was pending for good, as kernels do, while
//! reads go on showing it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::disk::{Disk, DiskFile};
use super::locked;
use crate::mail::Content;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Broken,
    Full,
}

#[derive(Debug, Default)]
struct Platter {
    names: BTreeMap<String, Arc<SimFile>>,
    durable_names: BTreeMap<String, Arc<SimFile>>,
    pending_names: Vec<NameChange>,
    /// Operations until a fault, how many fail then, and how.
    fault: Option<(u32, u32, Fault)>,
    faults_hit: u32,
    random: u64,
    free_octets: u64,
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(String, Arc<SimFile>),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug)]
pub(super) struct SimDisk {
    platter: Arc<Mutex<Platter>>,
}

#[derive(Debug)]
pub(super) struct SimFile {
    platter: Arc<Mutex<Platter>>,
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

impl Platter {
    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below.max(1)
    }

    fn step(&mut self) -> io::Result<()> {
        let Some((wait, count, kind)) = &mut self.fault else { return Ok(()) };
        if *wait > 0 {
            *wait -= 1;
            return Ok(());
        }
        let kind = *kind;
        *count -= 1;
        if *count == 0 {
            self.fault = None;
        }
        self.faults_hit += 1;
        Err(match kind {
            Fault::Broken => io::Error::from_raw_os_error(5),
            Fault::Full => io::ErrorKind::StorageFull.into(),
        })
    }

    fn apply(names: &mut BTreeMap<String, Arc<SimFile>>, change: &NameChange) {
        match change {
            NameChange::Put(name, file) => drop(names.insert(name.clone(), Arc::clone(file))),
            NameChange::Remove(name) => drop(names.remove(name)),
            NameChange::Rename(old, new) => {
                if let Some(file) = names.remove(old) {
                    names.insert(new.clone(), file);
                }
            }
        }
    }

    fn change(&mut self, change: NameChange) {
        Platter::apply(&mut self.names, &change);
        self.pending_names.push(change);
    }
}

fn apply(octets: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Cut(to) => octets.resize(*to as usize, 0),
        Change::Write(at, written) => {
            let end = *at as usize + written.len();
            if octets.len() < end {
                octets.resize(end, 0);
            }
            octets[*at as usize..end].copy_from_slice(written);
        }
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Arc<SimDisk> {
        let platter = Platter { random: seed | 1, free_octets: 1 << 40, ..Platter::default() };
        Arc::new(SimDisk { platter: Arc::new(Mutex::new(platter)) })
    }

    /// From the `wait`-th operation on, `count` operations fail.
    pub(super) fn fail(&self, wait: u32, count: u32, fault: Fault) {
        locked(&self.platter).fault = Some((wait, count.max(1), fault));
    }

    pub(super) fn heal(&self) {
        locked(&self.platter).fault = None;
    }

    pub(super) fn set_free(&self, octets: u64) {
        locked(&self.platter).free_octets = octets;
    }

    pub(super) fn faults_hit(&self) -> u32 {
        locked(&self.platter).faults_hit
    }

    /// The power goes. Open files of before are worthless afterwards.
    pub(super) fn crash(&self, seed: u64) {
        let mut platter = locked(&self.platter);
        platter.fault = None;
        platter.random = seed | 1;
        let pending = std::mem::take(&mut platter.pending_names);
        let kept = platter.next(pending.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut platter.durable_names);
        pending[..kept].iter().for_each(|change| Platter::apply(&mut names, change));
        for file in names.values_mut() {
            let mut state = locked(&file.state).clone();
            let mut octets = std::mem::take(&mut state.durable);
            for change in std::mem::take(&mut state.pending) {
                let fate = platter.next(4);
                match change {
                    _ if fate == 0 => {}
                    Change::Write(at, mut written) if fate == 1 => {
                        let from = platter.next(written.len() as u64 + 1) as usize;
                        let to = from + platter.next((written.len() - from) as u64 + 1) as usize;
                        written.truncate(to);
                        apply(
                            &mut octets,
                            &Change::Write(at + from as u64, written.split_off(from)),
                        );
                    }
                    change => apply(&mut octets, &change),
                }
            }
            let state = State { current: octets.clone(), durable: octets, pending: Vec::new() };
            *file =
                Arc::new(SimFile { platter: Arc::clone(&self.platter), state: Mutex::new(state) });
        }
        platter.durable_names = names.clone();
        platter.names = names;
    }

    /// Flips a bit of a file, durably.
    pub(super) fn rot(&self, name: &str, at: usize) {
        self.edit(name, |octets| octets[at] ^= 0x10);
    }

    /// Changes a file behind everybody's back.
    pub(super) fn edit(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let file = Arc::clone(&locked(&self.platter).names[name]);
        let mut state = locked(&file.state);
        change(&mut state.current);
        change(&mut state.durable);
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let file = Arc::clone(&locked(&self.platter).names[name]);
        locked(&file.state).current.clone()
    }

    pub(super) fn all_names(&self) -> Vec<String> {
        locked(&self.platter).names.keys().cloned().collect()
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.all_names().into_iter().filter(|name| !name.contains('/')).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut platter = locked(&self.platter);
        platter.step()?;
        let file = Arc::new(SimFile {
            platter: Arc::clone(&self.platter),
            state: Mutex::new(State::default()),
        });
        platter.change(NameChange::Put(name.into(), Arc::clone(&file)));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let platter = locked(&self.platter);
        let file = platter.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(file) as Arc<dyn DiskFile>)
    }

    fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        let mut platter = locked(&self.platter);
        platter.step()?;
        platter.names.get(old).ok_or(io::ErrorKind::NotFound)?;
        platter.change(NameChange::Rename(old.into(), new.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut platter = locked(&self.platter);
        platter.step()?;
        platter.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        platter.change(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut platter = locked(&self.platter);
        platter.step()?;
        platter.durable_names = platter.names.clone();
        platter.pending_names.clear();
        Ok(())
    }

    fn free_octets(&self) -> io::Result<u64> {
        Ok(locked(&self.platter).free_octets)
    }
}

impl SimFile {
    fn change(&self, change: Change) {
        let mut state = locked(&self.state);
        apply(&mut state.current, &change);
        state.pending.push(change);
    }

    fn make_durable(&self) {
        let mut state = locked(&self.state);
        for change in std::mem::take(&mut state.pending) {
            apply(&mut state.durable, &change);
        }
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut platter = locked(&self.platter);
        let result = platter.step();
        let written = match result {
            Ok(()) => octets.len(),
            Err(_) => platter.next(octets.len() as u64 + 1) as usize,
        };
        self.change(Change::Write(offset, octets[..written].to_vec()));
        result
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = locked(&self.state);
        let rest = state.current.get(offset as usize..).unwrap_or_default();
        let octets = rest.len().min(buffer.len());
        buffer[..octets].copy_from_slice(&rest[..octets]);
        Ok(octets)
    }

    fn octets(&self) -> io::Result<u64> {
        Ok(locked(&self.state).current.len() as u64)
    }

    fn cut(&self, octets: u64) -> io::Result<()> {
        locked(&self.platter).step()?;
        self.change(Change::Cut(octets));
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        let result = locked(&self.platter).step();
        match result {
            Ok(()) => self.make_durable(),
            // What could not be written is forgotten; a cut lies in the file system's own
            // journal and is not.
            Err(_) => {
                let kept = |change: &Change| matches!(change, Change::Cut(_));
                locked(&self.state).pending.retain(kept);
            }
        }
        result
    }

    fn content(&self, offset: u64, octets: u64) -> io::Result<Content> {
        let mut buffer = vec![0u8; octets as usize];
        let read = self.read_at(offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(Content::from_bytes(buffer))
    }
}
