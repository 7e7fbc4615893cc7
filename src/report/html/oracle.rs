//! What was checked of every single delivery, and what each check proves.

use maud::html;

use super::page::Section;
use crate::load::oracle::ViolationKind;
use crate::report::chart::Table;
use crate::report::record::Record;
use crate::report::summary::grouped;

pub(super) fn section(record: &Record) -> Option<Section> {
    let mut table = Table::headed(["kind of violation", "seen", "what none of it proves"]);
    table.told = true;
    for (name, count) in &record.violations {
        let proves = ViolationKind::ALL.iter().find(|kind| kind.name() == name);
        let proves = proves.map_or("", |kind| proves_without(*kind));
        table.push([name.replace('_', " "), grouped(*count), proves.to_owned()]);
    }
    let body = html! {
        p {
            "While it measures, the engine checks each reply and each delivery to each member against what was accepted. "
            "One violation makes the whole run violated, whatever its figures."
        }
        (table.draw("What was checked"))
    };
    Section::of("oracle", "Correctness", body)
}

/// What is true of the service as far as the run goes, if the count of `kind` is 0.
fn proves_without(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::DoubleWinner => {
            "Each epoch of each group was opened by one commit: no group has forked."
        }
        ViolationKind::WinnerNotTold => {
            "Whoever lost the race for an epoch was told which epoch it is and who won."
        }
        ViolationKind::Gap => "No member was delivered a message before the one it follows.",
        ViolationKind::Duplicate => "No member was delivered a message twice.",
        ViolationKind::Reordered => "Nothing came that a member had already been made to skip.",
        ViolationKind::Disagreement => {
            "All members, and the reply to the sender, say the same of every place in the order."
        }
        ViolationKind::Missing => {
            "Every message that was accepted had reached every member by the end."
        }
        ViolationKind::Corrupted => "Members got the very bytes that were submitted.",
        ViolationKind::Foreign => {
            "Nobody was delivered a message that nobody sent, or one of a group it is not in."
        }
        ViolationKind::Conservation => {
            "Every operation has one outcome: accepted, rejected, timed out or not issued."
        }
    }
}
