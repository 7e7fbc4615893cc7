//! Every cipher suite that there is to choose: what it is made of, and who offers it.
//!
//! RFC 9420's seven (§17.1), and every post-quantum one that a stack here runs. What a suite is, is
//! written down; who offers it, the stacks are asked. Called by `cli` and by whatever measures.

use thiserror::Error;

use crate::mls::MemberError;
use crate::mls::primitive::{Aead, Hash, Kem, Lengths, Quantum, Signature};
use crate::mls::stack::StackKind;
use crate::place::edits;

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name here: KEM, AEAD, signature. What ends in `mlsrs` is a code point of mls-rs alone.
    pub name: &'static str,
    /// What stands for it on the wire.
    pub code_point: u16,
    /// Whether no registry has assigned that number: another may mean something else by it.
    pub provisional: bool,
    /// How keys are encapsulated.
    pub kem: Kem,
    /// How messages are encrypted.
    pub aead: Aead,
    /// The hash of the key schedule.
    pub hash: Hash,
    /// How members sign.
    pub signature: Signature,
    /// The security level that its makers claim, in bits.
    pub level: u16,
}

impl Entry {
    /// Lengths of what it puts on the wire.
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        Lengths::of(self.kem, self.hash, self.signature)
    }

    /// How confidentiality holds against who records today and has a quantum computer later.
    #[must_use]
    pub fn confidentiality(&self) -> Quantum {
        self.kem.quantum()
    }

    /// How authenticity holds against who has one now.
    #[must_use]
    pub fn authenticity(&self) -> Quantum {
        self.signature.quantum()
    }

    /// Its code point as documents write it; provisional ones with a star.
    #[must_use]
    pub fn number(&self) -> String {
        format!("0x{:04X}{}", self.code_point, if self.provisional { "*" } else { "" })
    }
}

/// Every suite: RFC 9420's in their order, then those with provisional numbers.
pub const ENTRIES: &[Entry] = &[
    rfc(
        "x25519-aes128-ed25519",
        1,
        (Kem::X25519, Aead::Aes128, Hash::Sha256, Signature::Ed25519),
        128,
    ),
    rfc("p256-aes128-p256", 2, (Kem::P256, Aead::Aes128, Hash::Sha256, Signature::P256), 128),
    rfc(
        "x25519-chacha-ed25519",
        3,
        (Kem::X25519, Aead::ChaCha, Hash::Sha256, Signature::Ed25519),
        128,
    ),
    rfc("x448-aes256-ed448", 4, (Kem::X448, Aead::Aes256, Hash::Sha512, Signature::Ed448), 256),
    rfc("p521-aes256-p521", 5, (Kem::P521, Aead::Aes256, Hash::Sha512, Signature::P521), 256),
    rfc("x448-chacha-ed448", 6, (Kem::X448, Aead::ChaCha, Hash::Sha512, Signature::Ed448), 256),
    rfc("p384-aes256-p384", 7, (Kem::P384, Aead::Aes256, Hash::Sha384, Signature::P384), 256),
    draft(
        "xwing-aes128-ed25519",
        0x004F,
        (Kem::XWing, Aead::Aes128, Hash::Sha256, Signature::Ed25519),
        128,
    ),
    draft(
        "xwing-aes256-ed25519",
        0x004E,
        (Kem::XWing, Aead::Aes256, Hash::Sha384, Signature::Ed25519),
        128,
    ),
    draft(
        "xwing-chacha-ed25519",
        0x004D,
        (Kem::XWing, Aead::ChaCha, Hash::Sha256, Signature::Ed25519),
        256,
    ),
    draft(
        "mlkem768-aes256-ed25519",
        0xF042,
        (Kem::MlKem768, Aead::Aes256, Hash::Sha384, Signature::Ed25519),
        128,
    ),
    draft(
        "mlkem768-aes256-p256",
        0x0050,
        (Kem::MlKem768, Aead::Aes256, Hash::Sha384, Signature::P256),
        128,
    ),
    draft(
        "mlkem1024-aes256-p384",
        0x0042,
        (Kem::MlKem1024, Aead::Aes256, Hash::Sha384, Signature::P384),
        192,
    ),
    draft(
        "xwing-chacha-mldsa44",
        0x0052,
        (Kem::XWing, Aead::ChaCha, Hash::Sha384, Signature::MlDsa44),
        128,
    ),
    draft(
        "mlkem768-aes256-mldsa65",
        0x0051,
        (Kem::MlKem768, Aead::Aes256, Hash::Sha384, Signature::MlDsa65),
        192,
    ),
    draft(
        "mlkem1024-aes256-mldsa87",
        0x0907,
        (Kem::MlKem1024, Aead::Aes256, Hash::Sha384, Signature::MlDsa87),
        256,
    ),
    draft(
        "mlkem1024-aes256-sha512-mldsa87",
        0x0906,
        (Kem::MlKem1024, Aead::Aes256, Hash::Sha512, Signature::MlDsa87),
        256,
    ),
    draft(
        "mlkem512-aes128-ed25519-mlsrs",
        65_001,
        (Kem::MlKem512, Aead::Aes128, Hash::Sha256, Signature::Ed25519),
        128,
    ),
    draft(
        "mlkem768-aes128-ed25519-mlsrs",
        65_002,
        (Kem::MlKem768, Aead::Aes128, Hash::Sha256, Signature::Ed25519),
        128,
    ),
    draft(
        "mlkem1024-aes256-p384-mlsrs",
        65_003,
        (Kem::MlKem1024, Aead::Aes256, Hash::Sha384, Signature::P384),
        192,
    ),
    draft(
        "xwing-aes128-ed25519-mlsrs",
        65_100,
        (Kem::XWing, Aead::Aes128, Hash::Sha256, Signature::Ed25519),
        128,
    ),
];

const fn rfc(
    name: &'static str,
    code_point: u16,
    (kem, aead, hash, signature): (Kem, Aead, Hash, Signature),
    level: u16,
) -> Entry {
    Entry { name, code_point, provisional: false, kem, aead, hash, signature, level }
}

const fn draft(
    name: &'static str,
    code_point: u16,
    of: (Kem, Aead, Hash, Signature),
    level: u16,
) -> Entry {
    Entry { provisional: true, ..rfc(name, code_point, of, level) }
}

/// A name that means no suite at hand, and what there is instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAtHand {
    /// No suite is called that.
    #[error("unknown cipher suite {name:?}; the nearest are {}", nearest.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The three nearest, each with the stacks that have it.
        nearest: Vec<String>,
    },
    /// None of the stacks that were asked for runs it.
    #[error("no stack that is asked for has {name}: {}", offered(had_by))]
    NotAsked {
        /// The suite.
        name: &'static str,
        /// Who has it: at least one.
        had_by: Vec<StackKind>,
    },
    /// No stack here runs it.
    #[error("no stack here has {name}; the nearest that one has are {}", nearest.join(", "))]
    NotOffered {
        /// The suite.
        name: &'static str,
        /// The three nearest, each with the stacks that have it.
        nearest: Vec<String>,
    },
}

/// What each stack says that it runs.
#[derive(Clone, Debug)]
pub struct Offers(Vec<(StackKind, Vec<u16>)>);

impl Offers {
    /// Asks every stack.
    pub fn ask() -> Result<Self, MemberError> {
        let ask = |kind: StackKind| Ok((kind, kind.open()?.offers()));
        StackKind::ALL.into_iter().map(ask).collect::<Result<_, _>>().map(Self)
    }

    /// Who runs a suite.
    #[must_use]
    pub fn of(&self, entry: &Entry) -> Vec<StackKind> {
        let has = |(_, offers): &&(StackKind, Vec<u16>)| offers.contains(&entry.code_point);
        self.0.iter().filter(has).map(|(kind, _)| *kind).collect()
    }

    /// Every suite with a stack that runs it, of the suites and stacks that are asked for by name;
    /// all where none is.
    pub fn choose(
        &self,
        names: &[String],
        stacks: &[StackKind],
    ) -> Result<Vec<(&'static Entry, StackKind)>, NotAtHand> {
        let every = ENTRIES.iter().filter(|entry| !self.of(entry).is_empty()).collect();
        let entries = match names {
            [] => every,
            names => self.each_once(names)?,
        };
        let mut chosen = Vec::new();
        for entry in entries {
            let had_by = self.of(entry);
            let asked = |kind: &StackKind| stacks.is_empty() || stacks.contains(kind);
            let usable: Vec<_> = had_by.iter().copied().filter(asked).collect();
            let name = entry.name;
            match (usable.is_empty() && !names.is_empty(), had_by.is_empty()) {
                (true, true) => {
                    let nearest = self.nearest(name, |entry| !self.of(entry).is_empty());
                    return Err(NotAtHand::NotOffered { name, nearest });
                }
                (true, false) => return Err(NotAtHand::NotAsked { name, had_by }),
                (false, _) => {}
            }
            chosen.extend(usable.into_iter().map(|kind| (entry, kind)));
        }
        Ok(chosen)
    }

    /// The suites of those names; one that is named twice is one.
    fn each_once(&self, names: &[String]) -> Result<Vec<&'static Entry>, NotAtHand> {
        let mut entries: Vec<&'static Entry> = Vec::new();
        for name in names {
            let entry = self.named(name)?;
            if entries.iter().all(|other| other.name != entry.name) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// The suite of that name.
    pub fn named(&self, name: &str) -> Result<&'static Entry, NotAtHand> {
        ENTRIES.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let nearest = self.nearest(name, |_| true);
            NotAtHand::Unknown { name: name.to_owned(), nearest }
        })
    }

    /// The three of some that are called most alike, each with the stacks that have it.
    fn nearest(&self, name: &str, of: impl Fn(&Entry) -> bool) -> Vec<String> {
        let mut entries: Vec<&Entry> = ENTRIES.iter().filter(|entry| of(entry)).collect();
        entries.sort_by_key(|entry| edits(name, entry.name));
        let tell = |entry: &&Entry| format!("{} ({})", entry.name, offered(&self.of(entry)));
        entries.iter().take(3).map(tell).collect()
    }
}

/// Who has a suite, in words.
fn offered(by: &[StackKind]) -> String {
    if by.is_empty() {
        return "no stack here has it".to_owned();
    }
    by.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mls::Suite;

    #[test]
    fn what_any_stack_offers_is_registered_once_and_nothing_else_is_but_those_of_the_rfc() {
        let offers = Offers::ask().unwrap();
        for (kind, offered) in &offers.0 {
            for code_point in offered {
                let entries = ENTRIES.iter().filter(|entry| entry.code_point == *code_point);
                assert_eq!(entries.count(), 1, "{} {code_point:#06x}", kind.name());
            }
        }
        for entry in ENTRIES {
            assert_eq!(offers.of(entry).is_empty(), [4, 6].contains(&entry.code_point));
            assert_eq!(entry.provisional, entry.code_point > 7);
        }
        let names: std::collections::BTreeSet<_> = ENTRIES.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), ENTRIES.len());
    }

    #[test]
    fn the_suites_of_scenarios_are_made_of_what_the_registry_says() {
        for suite in Suite::all() {
            let facts = suite.facts();
            let entry = ENTRIES.iter().find(|entry| entry.code_point == facts.code_point).unwrap();
            assert_eq!(entry.lengths(), facts.lengths, "{suite}");
            assert_eq!(entry.confidentiality() != Quantum::No, facts.post_quantum, "{suite}");
            assert_eq!(entry.confidentiality(), facts.confidentiality, "{suite}");
            assert!(suite.name().starts_with(entry.name), "{suite}");
        }
    }

    #[test]
    fn what_is_not_at_hand_is_answered_with_what_is_and_where() {
        let offers = Offers::ask().unwrap();
        let check = |name: &str, stacks: &[StackKind], expected: &str| {
            let said = offers.choose(&[name.to_owned()], stacks).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        };
        check("mlkem768-aes256-mldsa66", &[], "mlkem768-aes256-mldsa65 (openmls/rust_crypto)");
        check("p384-aes256-p384", &[StackKind::OpenMlsLibcrux], "mls-rs/awslc");
        let none = "no stack here has x448-aes256-ed448; the nearest that one has are p384-aes256-p384 \
                    (mls-rs/awslc), ";
        check("x448-aes256-ed448", &[], none);
        check("x448-aes256-ed448", &[StackKind::MlsRsAwsLc], none);
    }

    #[test]
    fn a_choice_is_every_suite_with_every_stack_that_has_it_unless_some_are_asked_for() {
        let offers = Offers::ask().unwrap();
        let count = |names: &[&str], stacks: &[StackKind]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            offers.choose(&names, stacks).unwrap().len()
        };
        assert_eq!(count(&["x25519-aes128-ed25519"], &[]), 3);
        assert_eq!(count(&["x25519-aes128-ed25519", "x25519-aes128-ed25519"], &[]), 3);
        assert_eq!(count(&["x25519-aes128-ed25519"], &[StackKind::MlsRsAwsLc]), 1);
        let every: usize = offers.0.iter().map(|(_, offered)| offered.len()).sum();
        assert_eq!(count(&[], &[]), every);
        assert_eq!(count(&[], &[StackKind::MlsRsAwsLc]), 9);
    }
}
