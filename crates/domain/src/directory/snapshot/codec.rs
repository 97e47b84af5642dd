//! A snapshot as it is stored, and the hash that names its content.

use sha2::{Digest, Sha256};

use super::build::{Builder, Row};
use super::{Snapshot, varint};
use crate::fold::fold_into;
use crate::{ChatId, Epoch, ListKind, ListVersion};

/// What is stored cannot be used as the snapshot it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored list is unusable: {0}")]
pub struct Damaged(&'static str);

/// The first byte of what is stored. The rest: how long the content is (8 bytes, the lowest first), and the content, as
/// one LZ4 block.
///
/// The content is what the version is the hash of. Whatever is derived from it (folded names, the buffers) is not stored:
/// it is derived again, by the rules of the build that reads.
const FORMAT: u8 = 1;

impl Snapshot {
    /// What [`decode`](Self::decode) reads back, compressed.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = head(self.kind, self.epoch).to_vec();
        for entry in self.iter() {
            let id = entry.id();
            write_row(&mut content, &Row { id: id.as_str(), name: entry.name(), is_mine: entry.is_mine() });
        }
        let mut data = vec![FORMAT];
        data.extend((content.len() as u64).to_le_bytes());
        data.extend(lz4_flex::block::compress(&content));
        data
    }

    /// The snapshot that was stored under `version`.
    ///
    /// The version is the hash of the content, so that it needs no other checksum. The entries stay in the order in which
    /// they were stored, which the version covers too, even if this build folds some names in another way.
    ///
    /// # Errors
    /// [`Damaged`] if `data` is anything but a list of that kind and version in a format this build knows, or claims to be
    /// larger than 512 MiB.
    pub fn decode(kind: ListKind, version: ListVersion, data: &[u8]) -> Result<Self, Damaged> {
        let content = unpack(data)?;
        if ListVersion::of_hash(Sha256::digest(&content)) != version {
            return Err(Damaged("its content is not of its version"));
        }
        // Whoever could store this could name its hash too: that it fits does not make the content any good.
        let malformed = Damaged("its content is malformed");
        let (stored_kind, epoch, mut rows) = read_head(&content).ok_or(malformed)?;
        if stored_kind != kind {
            return Err(Damaged("it is of another kind"));
        }
        let mut builder = Builder::new(kind, epoch);
        let mut folded = String::new();
        while !rows.is_empty() {
            let row = read_row(&mut rows).filter(|row| is_id(row.id)).ok_or(malformed)?;
            folded.clear();
            fold_into(&mut folded, row.name);
            builder.push(&folded, &row);
        }
        Ok(builder.finish())
    }
}

/// Decompresses, within bounds.
fn unpack(data: &[u8]) -> Result<Vec<u8>, Damaged> {
    const MAX_BYTES: usize = 512 << 20;
    /// A byte of LZ4 stands for no more than these.
    const MAX_RATIO: usize = 255;
    let (&FORMAT, data) = data.split_first().ok_or(Damaged("it is empty"))? else {
        return Err(Damaged("its format is unknown"));
    };
    let (len, packed) = data.split_first_chunk().ok_or(Damaged("it is cut off"))?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok();
    // The memory is asked for before a byte of the content is seen.
    let len = len
        .filter(|len| *len <= MAX_BYTES && len / MAX_RATIO <= packed.len())
        .ok_or(Damaged("its claimed size cannot be"))?;
    lz4_flex::block::decompress(packed, len).map_err(|_| Damaged("it does not decompress"))
}

/// Hashes content without keeping it.
pub(super) struct Content {
    hash: Sha256,
    row: Vec<u8>,
}

impl Content {
    pub(super) fn new(kind: ListKind, epoch: Epoch) -> Self {
        Self { hash: Sha256::new_with_prefix(head(kind, epoch)), row: Vec::new() }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.row.clear();
        write_row(&mut self.row, row);
        self.hash.update(&self.row);
    }

    pub(super) fn version(self) -> ListVersion {
        ListVersion::of_hash(self.hash.finalize())
    }
}

impl ListVersion {
    fn of_hash(hash: impl Into<[u8; 32]>) -> Self {
        let hash = hash.into();
        Self(u128::from_be_bytes(std::array::from_fn(|index| hash[index])))
    }
}

/// How content begins.
fn head(kind: ListKind, epoch: Epoch) -> [u8; 9] {
    let mut head = [0; 9];
    head[0] = match kind {
        ListKind::Groups => 0,
        ListKind::Contacts => 1,
    };
    head[1..].copy_from_slice(&epoch.0.to_le_bytes());
    head
}

fn read_head(content: &[u8]) -> Option<(ListKind, Epoch, &[u8])> {
    let (kind, content) = content.split_first()?;
    let (epoch, rows) = content.split_first_chunk()?;
    let kind = match kind {
        0 => ListKind::Groups,
        1 => ListKind::Contacts,
        _ => return None,
    };
    Some((kind, Epoch(i64::from_le_bytes(*epoch)), rows))
}

/// Whether it is mine, the id, the name: no row is the beginning of another.
fn write_row(content: &mut Vec<u8>, row: &Row<'_>) {
    content.push(u8::from(row.is_mine));
    for text in [row.id, row.name] {
        varint::write(content, text.len());
        content.extend(text.as_bytes());
    }
}

fn read_row<'a>(content: &mut &'a [u8]) -> Option<Row<'a>> {
    let is_mine = match content.split_off_first()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let mut text = || {
        let len = varint::read(content)?;
        std::str::from_utf8(content.split_off(..len)?).ok()
    };
    Some(Row { id: text()?, name: text()?, is_mine })
}

fn is_id(text: &str) -> bool {
    text.parse().is_ok_and(|id: ChatId| id.as_str() == text)
}

#[cfg(test)]
mod fuzzed;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::snapshot::testing::{EPOCH, GROUP_IDS, contact, contacts, contacts_of, group, groups};

    /// What would be stored if this were the content, and the version it would be stored under.
    fn stored(content: &[u8]) -> (ListVersion, Vec<u8>) {
        let mut data = vec![FORMAT];
        data.extend((content.len() as u64).to_le_bytes());
        data.extend(lz4_flex::block::compress(content));
        (ListVersion::of_hash(Sha256::digest(content)), data)
    }

    fn small() -> Snapshot {
        let contacts = [contact("34600111222@c.us", "José", true), contact("111@lid", "josé josé josé josé", false)];
        Snapshot::of_contacts(EPOCH, &contacts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn what_was_stored_comes_back(contacts in contacts(0..80), groups in groups(0..80), epoch: i64) {
            let contacts = Snapshot::of_contacts(Epoch(epoch), &contacts);
            let groups = Snapshot::of_groups(Epoch(epoch), &groups);
            for snapshot in [contacts, groups] {
                let back = Snapshot::decode(snapshot.kind(), snapshot.version(), &snapshot.encode()).unwrap();
                prop_assert_eq!((back.kind(), back.epoch(), back.version()), (snapshot.kind(), Epoch(epoch), snapshot.version()));
                prop_assert_eq!(contacts_of(&back), contacts_of(&snapshot));
                prop_assert!(back.groups().eq(snapshot.groups()));
                prop_assert!(back.names == snapshot.names && back.heads == snapshot.heads && back.bytes() == snapshot.bytes());
            }
        }

        #[test]
        fn no_content_makes_it_panic(content: Vec<u8>, rows: Vec<u8>) {
            for content in [content, [&head(ListKind::Contacts, EPOCH)[..], &rows].concat()] {
                let (version, data) = stored(&content);
                if let Ok(snapshot) = Snapshot::decode(ListKind::Contacts, version, &data) {
                    prop_assert_eq!(snapshot.version(), version);
                }
                prop_assert!(Snapshot::decode(ListKind::Contacts, version, &content).is_err());
            }
        }
    }

    #[test]
    fn every_cut_and_every_wrong_bit_is_noticed() {
        let snapshot = small();
        let data = snapshot.encode();
        for len in 0..data.len() {
            assert!(Snapshot::decode(snapshot.kind(), snapshot.version(), &data[..len]).is_err(), "cut at {len}");
        }
        for at in 0..data.len() {
            for flipped in 1..=u8::MAX {
                let mut data = data.clone();
                data[at] ^= flipped;
                if let Ok(back) = Snapshot::decode(snapshot.kind(), snapshot.version(), &data) {
                    assert_eq!(contacts_of(&back), contacts_of(&snapshot), "byte {at} ^ {flipped}");
                }
            }
        }
    }

    #[test]
    fn a_list_of_another_version_or_kind_is_refused() {
        let snapshot = small();
        let (version, data) = (snapshot.version(), snapshot.encode());
        assert!(Snapshot::decode(ListKind::Contacts, ListVersion(version.0 ^ 1), &data).is_err());
        assert!(Snapshot::decode(ListKind::Groups, version, &data).is_err());
    }

    #[test]
    fn a_claimed_size_is_not_believed() {
        for claimed in [u64::MAX, 1 << 40, (512 << 20) + 1, 512 << 20, 100_000] {
            let mut data = small().encode();
            data[1..9].copy_from_slice(&claimed.to_le_bytes());
            let refused = Snapshot::decode(ListKind::Contacts, small().version(), &data).unwrap_err();
            assert_eq!(refused, Damaged("its claimed size cannot be"), "{claimed}");
        }
    }

    #[test]
    fn content_with_the_right_hash_is_still_checked() {
        let row = |id: &str| {
            let mut content = head(ListKind::Contacts, EPOCH).to_vec();
            write_row(&mut content, &Row { id, name: "Ana", is_mine: true });
            content
        };
        let decode = |content: &[u8]| {
            let (version, data) = stored(content);
            Snapshot::decode(ListKind::Contacts, version, &data).map(|snapshot| contacts_of(&snapshot).len())
        };
        assert_eq!(decode(&row("1@c.us")), Ok(1));
        let too_long = format!("{}@c.us", "1".repeat(ChatId::MAX_BYTES));
        for id in ["", "1", "1@s.whatsapp.net", "1:2@c.us", "a b@c.us", too_long.as_str()] {
            assert!(decode(&row(id)).is_err(), "{id:?}");
        }
        let cut = row("1@c.us");
        assert!(decode(&cut[..cut.len() - 1]).is_err());
        assert!(decode(&[&cut[..], &[2]].concat()).is_err());
        assert!(decode(&[]).is_err());
    }

    #[test]
    fn a_list_takes_less_room_when_stored() {
        let groups: Vec<_> =
            (0..1000).map(|n| group(GROUP_IDS[n % GROUP_IDS.len()], &format!("Equipo {n} Málaga"))).collect();
        let snapshot = Snapshot::of_groups(EPOCH, &groups);
        assert!(snapshot.encode().len() < snapshot.bytes() / 2);
    }
}
