//! Several jobs at once, each in a process of its own on a core of its own.
//!
//! What a process says is passed on as it comes. One that ends before its job is done has failed at
//! the cell that was under way, in its own last words, and the rest of the job goes to another.
//! Called by `run`.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::clock;
use crate::limits::{SUITE_LAST_WORDS_BYTES, SUITE_NEWS_WAITING_MAX};
use crate::suites::cell::{Cell, Outcome};
use crate::suites::job::{Job, Said};

/// What is heard of a job.
#[derive(Debug)]
pub(super) enum News {
    /// How far the cell under way is, and for how long it has been.
    Step { cell: Cell, what: String, done: u32, of: u32, since: Duration },
    /// What came of a cell, and how long that took with the making of its group.
    Outcome { cell: Cell, outcome: Outcome, took: Duration },
}

/// Makes the command that measures a job as the so many-th of those at work.
pub(super) type Start<'a> = dyn Fn(&Job, usize) -> Command + Sync + 'a;

/// What one of those at work tells, or why none can be.
type Heard = anyhow::Result<News>;

/// Has `at_once` jobs measured at any time, in their order, and tells `hear` what there is to tell.
/// When it fails, or no process can be started, nothing more is begun, and those at work are ended as soon
/// as they say something.
pub(super) fn work(
    jobs: &[Job],
    at_once: usize,
    start: &Start<'_>,
    mut hear: impl FnMut(News) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let begun = AtomicUsize::new(0);
    let next = || jobs.get(begun.fetch_add(1, Ordering::Relaxed)).cloned();
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(SUITE_NEWS_WAITING_MAX);
        for place in 0..at_once {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(job) = next() {
                    // Nobody hears any more: no further job is begun.
                    if attend(job, place, start, &sender).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropped with this closure's end, which ends whoever is still at work.
        receiver.into_iter().try_for_each(|news: Heard| hear(news?))
    })
}

/// Nobody hears what is told.
struct Unheard;

fn tell(hearer: &SyncSender<Heard>, news: Heard) -> Result<(), Unheard> {
    if hearer.send(news).is_ok() { Ok(()) } else { Err(Unheard) }
}

fn attend(
    mut job: Job,
    place: usize,
    start: &Start<'_>,
    hearer: &SyncSender<Heard>,
) -> Result<(), Unheard> {
    while !job.states.is_empty() {
        let mut process = match Process::spawn(start(&job, place)) {
            Ok(process) => process,
            Err(error) => return tell(hearer, Err(error)),
        };
        let begun = process.tell_of(&mut job, hearer)?;
        let Some(cell) = job.cells().next() else { return Ok(()) };
        job.states.remove(0);
        let outcome = Outcome::failed(&cell, process.last_words());
        let took = clock::now().duration_since(begun);
        tell(hearer, Ok(News::Outcome { cell, outcome, took }))?;
    }
    Ok(())
}

/// A process that measures. Ends with this value.
struct Process {
    child: Child,
    /// What it says beside its lines. A reader of its own, so that it never waits to be heard.
    aside: Option<std::thread::JoinHandle<String>>,
    /// A line that is none of those that it should say.
    strange: Option<String>,
}

impl Process {
    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.context("cannot start the process that measures")?;
        let stderr = child.stderr.take().expect("it was asked for");
        let aside = Some(std::thread::spawn(move || first_of(stderr)));
        Ok(Self { child, aside, strange: None })
    }

    /// Passes on what it says, until it says no more, and takes what is done off the job: since when the
    /// next cell was under way.
    fn tell_of(&mut self, job: &mut Job, hearer: &SyncSender<Heard>) -> Result<Instant, Unheard> {
        let stdout = self.child.stdout.take().expect("it was asked for");
        let mut begun = clock::now();
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let Some(cell) = job.cells().next() else { break };
            let since = clock::now().duration_since(begun);
            let news = match Said::read(&line) {
                Some(Said::Step { what, done, of }) => News::Step { cell, what, done, of, since },
                Some(Said::Outcome(outcome)) if outcome.is_of(&cell) => {
                    job.states.remove(0);
                    begun = clock::now();
                    News::Outcome { cell, outcome: *outcome, took: since }
                }
                // Whatever it is, nothing that comes after can be believed.
                _ => {
                    self.strange = Some(line.chars().take(STRANGE_MAX).collect());
                    break;
                }
            };
            tell(hearer, Ok(news))?;
        }
        Ok(begun)
    }

    /// Why it did not do its job: what it said aside, or how it ended, in one line.
    fn last_words(&mut self) -> String {
        if let Some(line) = &self.strange {
            return format!("the process that measured it said what is none of its lines: {line}");
        }
        let status = self.child.wait().ok();
        let aside = self.aside.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let words = aside.split_whitespace().collect::<Vec<_>>().join(" ");
        let how = status.map_or_else(|| "it is gone".to_owned(), |status| ended(&status));
        if words.is_empty() { how } else { format!("{how}: {words}") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn ended(status: &ExitStatus) -> String {
    format!("the process that measured it ended with {status}")
}

/// The first words, and that there were more; the rest is read and forgotten.
fn first_of(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let most = SUITE_LAST_WORDS_BYTES;
    // What cannot be read has not been said.
    from.by_ref().take(most).read_to_end(&mut kept).ok();
    let more = std::io::copy(&mut from, &mut std::io::sink()).unwrap_or(0);
    let said = String::from_utf8_lossy(&kept).into_owned();
    if more == 0 { said } else { said + " ..." }
}

/// Letters of such a line that are told.
const STRANGE_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mls::stack::StackKind;
    use crate::suites::group::State;
    use crate::suites::registry::ENTRIES;

    fn job(states: &[State]) -> Job {
        let (entry, stack) = (&ENTRIES[0], StackKind::OpenMlsRustCrypto);
        Job { entry, stack, members: 4, states: states.to_vec() }
    }

    /// A process that says what comes of a cell for each of its job's, but for what `does` has it do
    /// in the place of one.
    fn script(job: &Job, does: impl Fn(State) -> Option<&'static str>) -> Command {
        let mut script = String::new();
        for cell in job.cells() {
            let step = Said::Step { what: "add one".to_owned(), done: 1, of: 2 };
            let outcome = Said::Outcome(Box::new(Outcome::of(&cell)));
            let said = does(cell.state).map_or_else(
                || format!("echo '{}'\necho '{}'\n", step.line(), outcome.line()),
                |other| format!("{other}\n"),
            );
            script += &said;
        }
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    }

    /// What is heard of jobs: each cell's state with its error, in order.
    fn heard(jobs: Vec<Job>, at_once: usize, start: &Start<'_>) -> Vec<(State, Option<String>)> {
        let (mut outcomes, mut steps) = (Vec::new(), 0);
        work(&jobs, at_once, start, |news| {
            match news {
                News::Outcome { cell, outcome, .. } => outcomes.push((cell.state, outcome.error)),
                News::Step { what, .. } => steps += u32::from(what == "add one"),
            }
            Ok(())
        })
        .unwrap();
        assert!(steps > 0);
        outcomes
    }

    #[test]
    fn every_job_is_measured_once_with_as_many_at_work_as_are_asked_for() {
        let jobs = vec![job(&State::ALL); 7];
        let (started, highest) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let outcomes = heard(jobs, 3, &|job, place| {
            highest.fetch_max(place, Ordering::Relaxed);
            started.fetch_add(1, Ordering::Relaxed);
            // Nobody goes on before three have begun; where fewer may, that is seen by the test.
            let patience = clock::now() + Duration::from_secs(20);
            while started.load(Ordering::Relaxed) < 3 && clock::now() < patience {
                std::thread::yield_now();
            }
            assert!(started.load(Ordering::Relaxed) >= 3, "three are at work at once");
            script(job, |_| None)
        });
        assert_eq!(outcomes.len(), 7 * State::ALL.len());
        assert!(outcomes.iter().all(|(_, error)| error.is_none()));
        assert_eq!(started.into_inner(), 7, "a process measures all trees of its job");
        assert_eq!(highest.into_inner(), 2, "each has a place of its own");
    }

    #[test]
    fn a_stack_that_panics_fails_its_cell_in_its_own_words_and_no_other() {
        let panics = "echo \"thread 'main' panicked at src/x.rs:1:2:\nno luck\" >&2; exit 101";
        let outcomes = heard(vec![job(&State::ALL), job(&[State::Fresh])], 1, &|job, _| {
            script(job, |state| (state == State::Settled).then_some(panics))
        });
        let [fresh, settled, merged, churned, other] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        for sound in [fresh, merged, churned, other] {
            assert_eq!(sound.1, None, "{outcomes:?}");
        }
        let error = settled.1.as_ref().unwrap();
        let says = "exit status: 101: thread 'main' panicked at src/x.rs:1:2: no luck";
        assert!(settled.0 == State::Settled && error.ends_with(says), "{error}");
    }

    #[test]
    fn a_process_that_is_killed_or_says_something_else_has_failed() {
        for (does, says) in [
            ("kill -9 $$", "signal: 9"),
            ("exit 0", "exit status: 0"),
            ("echo 'a line of a stack'; exec sleep 60", "none of its lines: a line of a stack"),
            ("printf 'a \\377 byte\\n'; exec sleep 60", "none of its lines: a \u{fffd} byte"),
            ("yes | head -c 100000 >&2; exit 3", "exit status: 3: y y y y"),
        ] {
            let outcomes = heard(vec![job(&[State::Fresh, State::Merged])], 2, &|job, _| {
                script(job, |state| (state == State::Merged).then_some(does))
            });
            let error = outcomes[1].1.clone().unwrap_or_default();
            assert!(outcomes[0].1.is_none() && error.contains(says), "{does}: {outcomes:?}");
            assert!(error.len() < 8_000, "{}", error.len());
        }
    }

    #[test]
    fn what_came_of_another_cell_is_not_taken_for_this_ones() {
        let outcomes = heard(vec![job(&[State::Fresh, State::Merged])], 1, &|asked, _| {
            let other = job(&[State::Merged]);
            // Of two it says the second at once; of the second alone it says that.
            if asked.states.len() == 2 { script(&other, |_| None) } else { script(asked, |_| None) }
        });
        let [fresh, merged] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(fresh.0 == State::Fresh && fresh.1.is_some(), "{outcomes:?}");
        assert_eq!(*merged, (State::Merged, None));
    }

    #[test]
    fn when_what_came_of_a_cell_cannot_be_kept_nothing_goes_on() {
        let begun = AtomicUsize::new(0);
        let stopped = work(
            &vec![job(&[State::Fresh]); 200],
            2,
            &|job, _| {
                begun.fetch_add(1, Ordering::Relaxed);
                script(job, |_| None)
            },
            |news| match news {
                News::Outcome { .. } => anyhow::bail!("the disk is full"),
                _ => Ok(()),
            },
        );
        assert_eq!(stopped.unwrap_err().to_string(), "the disk is full");
        assert!(begun.into_inner() < 200);
    }

    #[test]
    fn a_process_that_cannot_be_started_is_an_error_and_no_cell_failed_for_it() {
        let started = work(
            &vec![job(&[State::Fresh]); 3],
            2,
            &|_, _| Command::new("/nowhere/stentor"),
            |news| panic!("{news:?}"),
        );
        let error = format!("{:#}", started.unwrap_err());
        assert!(error.contains("cannot start the process that measures"), "{error}");
    }
}
