//! What the scenario asks of its result, and what came of each line: right under the verdict.

use maud::{Markup, html};

use crate::load::threshold::Standing;
use crate::report::chart::Unit;
use crate::report::record::{Record, ThresholdRecord};

/// Nothing if nothing was asked.
pub(super) fn table(record: &Record) -> Markup {
    let failed = record.thresholds.iter().filter(|one| one.status == Standing::Fail).count();
    html! {
        @if let Some(of) = &record.aborted {
            p.note {
                strong { "Given up" } " after " (Unit::Seconds.value(of.at_s.round())) ", when "
                code { (of.threshold) } " could not hold any more. "
                (of.cut_off) " operations had no outcome by then."
            }
        }
        @if !record.thresholds.is_empty() {
            div.scroll.thresholds tabindex="0" role="region" aria-label="Thresholds" {
                table {
                    caption { "Thresholds: " (record.thresholds.len() - failed) " of " (record.thresholds.len()) " did not fail" }
                    thead { tr { th scope="col" { "asked" } th scope="col" { "measured" } th scope="col" { "result" } } }
                    tbody { @for one in &record.thresholds { (row(one)) } }
                }
            }
        }
    }
}

fn row(of: &ThresholdRecord) -> Markup {
    let (class, word) = match of.status {
        Standing::Pass => ("pass", "✓ pass"),
        Standing::Fail => ("fail", "✗ fail"),
        Standing::NotMeasured => ("faint", "? not measured"),
    };
    html! {
        tr {
            th scope="row" { code { (of.text) } }
            td { (of.value.map_or_else(|| "-".to_owned(), |value| measured(&of.unit, value))) }
            td class=(class) { (word) @if of.aborted { ", given up" } }
        }
    }
}

fn measured(unit: &str, value: f64) -> String {
    match unit {
        "us" => Unit::Micros.value(value),
        "share" => Unit::Share.value(value),
        "bytes" => Unit::Bytes.value(value),
        "per_s" => format!("{}/s", Unit::Count.value(value)),
        _ => Unit::Count.value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::oracle::Judgement;
    use crate::report::record::AbortedRecord;
    use crate::report::tests::finished;

    #[test]
    fn each_threshold_is_told_with_its_value_and_in_words_whether_it_holds() {
        let mut record = finished(&Judgement::default(), false);
        let threshold = |text: &str, value, unit: &str, status| ThresholdRecord {
            text: text.to_owned(),
            value,
            unit: unit.to_owned(),
            status,
            aborted: status == Standing::Fail,
        };
        record.thresholds = vec![
            threshold("response.p99 < 250ms", Some(12_340.0), "us", Standing::Pass),
            threshold("not_issued < 0.1%", Some(0.25), "share", Standing::Fail),
            threshold("<script>", None, "number", Standing::NotMeasured),
        ];
        record.aborted = Some(AbortedRecord {
            threshold: "not_issued < 0.1%".to_owned(),
            at_s: 12.4,
            cut_off: 7,
        });
        let page = table(&record).into_string();
        for says in [
            "Thresholds: 2 of 3 did not fail",
            "response.p99 &lt; 250ms</code></th><td>12.3 ms</td><td class=\"pass\">✓ pass</td>",
            "<td>25.0%</td><td class=\"fail\">✗ fail, given up</td>",
            "&lt;script&gt;</code></th><td>-</td><td class=\"faint\">? not measured</td>",
            "Given up</strong> after 12 s, when <code>not_issued &lt; 0.1%</code>",
        ] {
            assert!(page.contains(says), "{says}: {page}");
        }
        (record.thresholds, record.aborted) = (Vec::new(), None);
        assert!(table(&record).0.is_empty());
    }
}
