//! What came of a class's slow members, as a record holds it and as a terminal shows it.
//!
//! Counts and a distribution alone; what was timed is `load::slow`'s to say. Returns text and never
//! prints. Called by `build` and by `summary`.

use serde::{Deserialize, Serialize};

use super::build::distribution;
use super::record::{Distribution, Record};
use super::summary::{grouped, header, row};
use crate::load::slow::Lag;

/// What came of the slow members of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowRecord {
    /// How many they are.
    pub slow_members: u64,
    /// From the intended instant to each of them that has the message.
    pub delay: Distribution,
    /// Of those deliveries, the ones that took longer than a second.
    pub late: u64,
    /// Most messages that one was behind its group.
    pub behind_max: u64,
    /// Times that one was told to go on without what it was behind with.
    pub resyncs: u64,
    /// Of them, those that the service closed because they were too slow.
    pub closed: u64,
}

impl From<&Lag> for SlowRecord {
    fn from(of: &Lag) -> Self {
        Self {
            slow_members: of.members,
            delay: distribution(&of.delay),
            late: of.late,
            behind_max: of.behind_max,
            resyncs: of.resyncs,
            closed: of.closed,
        }
    }
}

impl SlowRecord {
    /// Its counts in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let times = |count: u64, what: &str| match count {
            0 => String::new(),
            _ => format!(", {} {what}", grouped(count)),
        };
        format!(
            "{} members, up to {} messages behind; {} of {} deliveries late by more than 1 s{}{}",
            grouped(self.slow_members),
            grouped(self.behind_max),
            grouped(self.late),
            grouped(self.delay.count),
            times(self.resyncs, "resyncs"),
            times(self.closed, "closed as too slow"),
        )
    }
}

/// The classes that had slow members, with what came of those.
pub(super) fn of_classes(record: &Record) -> impl Iterator<Item = (&str, &SlowRecord)> {
    record.classes.iter().filter_map(|class| Some((class.name.as_str(), class.slow.as_ref()?)))
}

/// A line for each class that had slow members; nothing when none had.
pub(super) fn lines(record: &Record) -> String {
    let lines = of_classes(record).map(|(name, of)| format!("slow        {name}: {}", of.line()));
    lines.collect::<Vec<_>>().join("\n")
}

/// How late what they got was.
pub(super) fn rows(record: &Record) -> Vec<Vec<String>> {
    let rows = of_classes(record).map(|(name, of)| row(&format!("{name} delay"), &of.delay));
    std::iter::once(header("slow members")).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::load::oracle::Judgement;
    use crate::report::html;
    use crate::report::summary::{Look, render};
    use crate::report::tests::finished;

    #[test]
    fn a_summary_and_a_page_say_what_came_of_slow_members() {
        let ms = Duration::from_millis;
        let mut lag = Lag { members: 3, behind_max: 9, resyncs: 2, ..Lag::default() };
        lag.delivered(ms(1_000), ms(1_500));
        lag.delivered(ms(1_000), ms(4_000));
        let mut record = finished(&Judgement::default(), false);
        assert!(!html::render(&record).contains("read slowly"));
        record.classes[0].slow = Some(SlowRecord::from(&lag));
        let record = Record::from_json(&record.to_json()).unwrap();
        let line = "town: 3 members, up to 9 messages behind; 1 of 2 deliveries late by more \
                    than 1 s, 2 resyncs";
        let text = render(&record, Path::new("x"), Look::default());
        assert!(text.contains(&format!("slow        {line}\n")), "{text}");
        let delay = text.lines().find(|line| line.contains("town delay")).unwrap();
        assert_eq!(delay.split_whitespace().filter(|cell| *cell == "3.00").count(), 4, "{delay}");
        let page = html::render(&record);
        assert!(page.contains(line) && page.contains("Members that read slowly"), "{page}");
    }
}
