//! What lies on a disk: files and their names, each as it is in the page cache and as it would be
//! after a power loss that takes everything that is not synced.
//!
//! A power loss is harsher than those of most real disks: every write that was not synced is kept,
//! dropped or torn by itself, a later one may be there without an earlier one, and so with names.

use super::counters::Counters;
use rand_chacha::rand_core::Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is written whole or not at all.
pub(super) const SECTOR: usize = 512;

/// A file, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Inode(u64);

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

#[derive(Default)]
struct File {
    /// As every process reads it.
    cached: Vec<u8>,
    /// As it was synced last.
    durable: Vec<u8>,
    /// What happened since.
    unsynced: Vec<Change>,
}

enum NameChange {
    Linked(String, Inode),
    Unlinked(String),
}

/// All files of a machine.
#[derive(Default)]
pub(super) struct Medium {
    files: BTreeMap<Inode, File>,
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    unsynced_names: Vec<NameChange>,
    made: u64,
}

/// Writes into an image, with a hole of zeros before it if need be.
fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

/// How a power loss treats what was not synced.
#[derive(Clone, Copy)]
enum Mood {
    /// Nothing of it had reached the disk.
    Nothing,
    /// The oldest had, up to some write, which may be torn.
    Oldest(usize),
    /// Each has its own luck.
    Each,
}

impl Mood {
    fn draw(rng: &mut impl Rng, changes: usize) -> Mood {
        match rng.next_u32() % 4 {
            0 => Mood::Nothing,
            1 => Mood::Oldest(rng.next_u32() as usize % (changes + 1)),
            _ => Mood::Each,
        }
    }
}

impl File {
    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { at, bytes } => put(&mut self.durable, at, &bytes),
                Change::Resize(to) => self.durable.resize(to, 0),
            }
        }
    }

    fn lose_power(&mut self, rng: &mut impl Rng, counters: &mut Counters) {
        let mood = Mood::draw(rng, self.unsynced.len());
        for (i, change) in std::mem::take(&mut self.unsynced).into_iter().enumerate() {
            // 0: dropped, 1: torn, 2 and 3: kept.
            let luck = match mood {
                Mood::Nothing => 0,
                Mood::Oldest(n) if i < n => 3,
                Mood::Oldest(n) if i == n => rng.next_u32() % 2,
                Mood::Oldest(_) => 0,
                Mood::Each => rng.next_u32() % 4,
            };
            match (luck, change) {
                (0, _) | (1, Change::Resize(_)) => counters.dropped += 1,
                (1, Change::Write { at, bytes }) => {
                    counters.torn += 1;
                    self.tear(at, &bytes, rng, counters);
                }
                (_, Change::Write { at, bytes }) => {
                    counters.kept += 1;
                    put(&mut self.durable, at, &bytes);
                }
                (_, Change::Resize(to)) => {
                    counters.kept += 1;
                    self.durable.resize(to, 0);
                }
            }
        }
        self.cached.clone_from(&self.durable);
    }

    /// Some sectors of a write reach the disk.
    fn tear(&mut self, at: usize, bytes: &[u8], rng: &mut impl Rng, counters: &mut Counters) {
        let mut from = 0;
        while from < bytes.len() {
            let to = ((at + from) / SECTOR + 1) * SECTOR - at;
            let to = to.min(bytes.len());
            if rng.next_u32().is_multiple_of(2) {
                put(&mut self.durable, at + from, &bytes[from..to]);
            } else {
                counters.torn_sectors += 1;
            }
            from = to;
        }
    }
}

impl Medium {
    pub(super) fn find(&self, name: &str) -> Option<Inode> {
        self.names.get(name).copied()
    }

    /// A new empty file; without a name it is nobody else's.
    pub(super) fn make(&mut self, name: Option<&str>) -> Inode {
        self.made += 1;
        let inode = Inode(self.made);
        self.files.insert(inode, File::default());
        if let Some(name) = name {
            self.names.insert(name.into(), inode);
            self.unsynced_names.push(NameChange::Linked(name.into(), inode));
        }
        inode
    }

    /// Takes a name away. Tells whether there was one.
    pub(super) fn unlink(&mut self, name: &str) -> bool {
        let was = self.names.remove(name).is_some();
        if was {
            self.unsynced_names.push(NameChange::Unlinked(name.into()));
        }
        was
    }

    pub(super) fn read(&self, inode: Inode, at: usize, into: &mut [u8]) -> usize {
        let cached = &self.files[&inode].cached;
        let from = at.min(cached.len());
        let count = into.len().min(cached.len() - from);
        into[..count].copy_from_slice(&cached[from..from + count]);
        count
    }

    pub(super) fn write(&mut self, inode: Inode, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let file = self.file(inode);
        put(&mut file.cached, at, bytes);
        file.unsynced.push(Change::Write { at, bytes: bytes.into() });
    }

    pub(super) fn resize(&mut self, inode: Inode, to: usize) {
        let file = self.file(inode);
        file.cached.resize(to, 0);
        file.unsynced.push(Change::Resize(to));
    }

    pub(super) fn size(&self, inode: Inode) -> usize {
        self.files[&inode].cached.len()
    }

    /// The bytes of all files together.
    pub(super) fn used(&self) -> u64 {
        self.files.values().map(|file| file.cached.len() as u64).sum()
    }

    pub(super) fn sync(&mut self, inode: Inode) {
        self.file(inode).sync();
    }

    /// What was not synced will never be, although everybody goes on reading it.
    pub(super) fn forget_unsynced(&mut self, inode: Inode) {
        self.file(inode).unsynced.clear();
    }

    pub(super) fn sync_names(&mut self) {
        self.unsynced_names.clear();
        self.durable_names.clone_from(&self.names);
    }

    /// Whether the start of a file was written and not synced.
    pub(super) fn start_is_unsynced(&self, inode: Inode) -> bool {
        let unsynced = &self.files[&inode].unsynced;
        unsynced.iter().any(|change| matches!(change, Change::Write { at: 0, .. }))
    }

    /// Afterwards the cache is what is on the disk.
    pub(super) fn lose_power(&mut self, rng: &mut impl Rng, counters: &mut Counters) {
        for file in self.files.values_mut() {
            file.lose_power(rng, counters);
        }
        let changes = std::mem::take(&mut self.unsynced_names);
        let mood = Mood::draw(rng, changes.len());
        for (i, change) in changes.into_iter().enumerate() {
            let kept = match mood {
                Mood::Nothing => false,
                Mood::Oldest(n) => i < n,
                Mood::Each => rng.next_u32().is_multiple_of(2),
            };
            match (kept, change) {
                (false, _) => counters.dropped += 1,
                (true, NameChange::Linked(name, inode)) => {
                    counters.kept += 1;
                    self.durable_names.insert(name, inode);
                }
                (true, NameChange::Unlinked(name)) => {
                    counters.kept += 1;
                    self.durable_names.remove(&name);
                }
            }
        }
        self.names.clone_from(&self.durable_names);
    }

    /// Drops the files that nothing can lead to any more.
    pub(super) fn tidy(&mut self, open: impl Fn(Inode) -> bool) {
        let Medium { files, names, durable_names, unsynced_names, .. } = self;
        files.retain(|inode, _| {
            open(*inode)
                || names.values().chain(durable_names.values()).any(|named| named == inode)
                || unsynced_names
                    .iter()
                    .any(|change| matches!(change, NameChange::Linked(_, named) if named == inode))
        });
    }

    /// Says everything that is on the disk and in the cache in 32 bytes.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        let mut part = |bytes: &[u8]| {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        };
        for (name, inode) in self.names.iter().chain(&self.durable_names) {
            part(name.as_bytes());
            let file = &self.files[inode];
            part(&file.cached);
            part(&file.durable);
            for change in &file.unsynced {
                match change {
                    Change::Write { at, bytes } => {
                        part(&at.to_le_bytes());
                        part(bytes);
                    }
                    Change::Resize(to) => part(&to.to_le_bytes()),
                }
            }
        }
        part(&(self.unsynced_names.len() as u64).to_le_bytes());
        sha.finalize().into()
    }

    fn file(&mut self, inode: Inode) -> &mut File {
        self.files.get_mut(&inode).expect("an open file is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use std::collections::BTreeSet;

    /// What a file with the name `f` can be after a power loss, over many seeds.
    fn outcomes(prepare: impl Fn(&mut Medium, Inode)) -> BTreeSet<Option<Vec<u8>>> {
        let after = |seed| {
            let mut medium = Medium::default();
            let file = medium.make(Some("f"));
            prepare(&mut medium, file);
            let (mut rng, mut counters) = (ChaCha8Rng::seed_from_u64(seed), Counters::default());
            medium.lose_power(&mut rng, &mut counters);
            medium.tidy(|_| false);
            let found = medium.find("f");
            found.map(|file| {
                let mut bytes = vec![0; medium.size(file)];
                medium.read(file, 0, &mut bytes);
                bytes
            })
        };
        (0..400).map(after).collect()
    }

    fn some(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.into())
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        let seen = outcomes(|medium, file| {
            medium.write(file, 0, b"ab");
            medium.sync(file);
            medium.sync_names();
            medium.write(file, 0, b"A");
            medium.write(file, 1, b"B");
        });
        let all = [some(b"ab"), some(b"Ab"), some(b"aB"), some(b"AB")];
        assert_eq!(seen, BTreeSet::from(all));
    }

    #[test]
    fn a_new_name_and_a_removed_one_may_be_undone() {
        let seen = outcomes(|medium, file| medium.sync(file));
        assert_eq!(seen, BTreeSet::from([None, some(b"")]));
        let seen = outcomes(|medium, file| {
            medium.write(file, 0, b"x");
            medium.sync(file);
            medium.sync_names();
            medium.unlink("f");
        });
        assert_eq!(seen, BTreeSet::from([None, some(b"x")]));
        let seen = outcomes(|medium, _| {
            medium.sync_names();
            medium.unlink("f");
            medium.sync_names();
        });
        assert_eq!(seen, BTreeSet::from([None]));
    }

    #[test]
    fn a_write_tears_between_sectors_and_never_within_one() {
        let seen = outcomes(|medium, file| {
            medium.write(file, 0, &[1; 1024]);
            medium.sync(file);
            medium.sync_names();
            medium.write(file, 500, &[2; 100]);
        });
        let image = |first, second| {
            let mut image = vec![1; 1024];
            image[500..512].fill(first);
            image[512..600].fill(second);
            Some(image)
        };
        assert_eq!(seen, BTreeSet::from([image(1, 1), image(1, 2), image(2, 1), image(2, 2)]));
    }

    #[test]
    fn sizes_change_only_when_they_are_synced() {
        let seen = outcomes(|medium, file| {
            medium.write(file, 0, b"abc");
            medium.sync(file);
            medium.sync_names();
            medium.resize(file, 1);
        });
        assert_eq!(seen, BTreeSet::from([some(b"abc"), some(b"a")]));
    }

    #[test]
    fn what_a_sync_forgot_is_read_until_the_power_goes() {
        let mut medium = Medium::default();
        let file = medium.make(Some("f"));
        medium.sync_names();
        medium.write(file, 0, b"lost");
        medium.forget_unsynced(file);
        medium.write(file, 4, b"kept");
        medium.sync(file);
        let mut bytes = [0; 8];
        assert_eq!(medium.read(file, 0, &mut bytes), 8);
        assert_eq!(&bytes, b"lostkept");
        medium.lose_power(&mut ChaCha8Rng::seed_from_u64(1), &mut Counters::default());
        medium.read(file, 0, &mut bytes);
        assert_eq!(&bytes, b"\0\0\0\0kept");
    }
}
