//! Whether a comparison of suites fits this machine, before anything of it runs.
//!
//! Pure: what is asked for and what is free, in; a refusal, out. Called by `cli`.

use super::question::{Contender, Question, Traffic, Unservable};
use crate::limits::{
    SERVING_EGRESS_MAX, SERVING_FRAMES_IN_MEMORY, SERVING_PROCESSES_BYTES, SERVING_RATE_FACTOR_MAX,
    SERVING_SESSION_BYTES,
};

impl Question {
    /// Refuses what a machine with so much memory to spare cannot hold; nothing if that is not known.
    ///
    /// # Errors
    /// The suite and size that take most, with what they take and what there is.
    pub fn fits(&self, available_bytes: Option<u64>) -> Result<(), Unservable> {
        let Some(available) = available_bytes else { return Ok(()) };
        let needed =
            |(contender, members): &(Contender, u32)| self.memory_bytes(contender, *members);
        let mut cells = self.cells();
        cells.extend(self.joining());
        let worst = cells.iter().map(|cell| (needed(cell), cell)).max_by_key(|(bytes, _)| *bytes);
        match worst {
            Some((bytes, (contender, members))) if bytes > available => Err(Unservable::Memory {
                contender: contender.name(),
                members: *members,
                needed_mib: bytes >> 20,
                available_mib: available >> 20,
            }),
            _ => Ok(()),
        }
    }

    /// What the runs of one suite at one size take at most, in bytes: the engine with its tapes and
    /// with a commit that every member has nearly got, and the service with all sessions. It keeps
    /// a message once, whoever it is for.
    pub(super) fn memory_bytes(&self, contender: &Contender, members: u32) -> u64 {
        let commit = self.objects(contender, members).commit_max as f64;
        let groups = if contender.full_every().is_some() { 2.0 } else { 1.0 };
        let each = groups * SERVING_SESSION_BYTES as f64 + commit * SERVING_FRAMES_IN_MEMORY;
        let bytes = SERVING_PROCESSES_BYTES as f64
            + f64::from(members) * each
            + commit * self.commits_on_tape(contender, (members, commit));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let whole = bytes as u64;
        whole
    }

    /// Commits of the longest tape: of a run at the contender's rate, or of a search's trial at twice what
    /// a service could send.
    fn commits_on_tape(&self, contender: &Contender, (members, commit): (u32, f64)) -> f64 {
        let rate = self.commits_per_s(contender, members);
        let run = self.pace(contender, members, Traffic::Both).length().as_secs_f64();
        let at_once = SERVING_EGRESS_MAX / (f64::from(members) * commit);
        let searched = self.trial.map_or(0.0, |trial| {
            let most = (2.0 * at_once).min(rate * SERVING_RATE_FACTOR_MAX);
            (trial.as_secs_f64() * most).max(Self::commits_of_a_trial(contender).into())
        });
        (run * rate).max(searched).ceil() + 1.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mls::{Suite, TreeState};
    use crate::report::record::Record;

    fn question(suites: &[&str], members: &[u32]) -> Question {
        let suite = |name: &&str| Contender::Suite(Suite::named(name).unwrap());
        Question {
            contenders: suites.iter().map(suite).collect(),
            members: members.to_vec(),
            tree: TreeState::Fresh,
            key_exchange: "x25519".to_owned(),
            commits_per_min: None,
            rounds: 1,
            measure: Duration::from_secs(3),
            trial: Some(Duration::from_secs(3)),
            budget: Duration::ZERO,
            seed: 1,
        }
    }

    #[test]
    fn what_would_not_fit_is_refused_with_what_it_takes_and_what_is_free() {
        let question =
            question(&["x25519-aes128-ed25519", "mlkem1024-aes256-mldsa87"], &[100, 10_000]);
        let refused = question.fits(Some(16 << 30)).unwrap_err().to_string();
        let of = "mlkem1024-aes256-mldsa87 at 10000 members takes about ";
        assert!(refused.starts_with(of) && refused.contains(" 16384 MiB are free"), "{refused}");
        assert!(!refused.contains('\n'));
        let most = question.memory_bytes(&question.contenders[1], 10_000);
        assert_eq!(question.fits(Some(most)), Ok(()));
        assert!(question.fits(Some(most - 1)).is_err());
        assert_eq!(question.fits(None), Ok(()));
    }

    #[test]
    fn what_was_seen_to_be_taken_is_not_estimated_as_less_nor_as_more_than_three_times_as_much() {
        for (json, suite) in [
            (
                include_str!("../../../results/reference/bulk-classic/run.json"),
                "x25519-aes128-ed25519",
            ),
            (
                include_str!("../../../results/reference/bulk-xwing/run.json"),
                "xwing-chacha-ed25519",
            ),
        ] {
            let record = Record::from_json(json).unwrap();
            assert_eq!(
                (record.classes[0].suite.as_str(), record.classes[0].members),
                (suite, 1_000)
            );
            let seen = record.engine.rss_peak_bytes + record.server.unwrap().rss_peak_bytes;
            let question = question(&[suite], &[1_000]);
            let needed = question.memory_bytes(&question.contenders[0], 1_000);
            assert!((seen..3 * seen).contains(&needed), "{suite}: {needed} {seen}");
        }
    }

    #[test]
    fn the_many_commits_of_a_small_groups_search_are_counted_and_bounded() {
        let question = question(&["mlkem1024-aes256-mldsa87"], &[2, 100]);
        for members in [2, 100] {
            let needed = question.memory_bytes(&question.contenders[0], members);
            assert!(needed < 3 << 30, "{members}: {needed}");
            let unsearched = Question { trial: None, ..question.clone() };
            assert!(unsearched.memory_bytes(&question.contenders[0], members) < needed);
        }
    }
}
