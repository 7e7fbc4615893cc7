//! A date and a time of day from seconds, in UTC.
//!
//! Reads no clock and knows no time zone. Called by `folder` and `provenance`.

use std::time::Duration;

/// A moment in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
}

impl Utc {
    /// The moment `unix` after the start of 1970. Right for every year up to 584 billion.
    #[must_use]
    pub fn from_unix(unix: Duration) -> Self {
        let seconds = unix.as_secs();
        let (year, month, day) = civil_from_days(seconds / 86_400);
        Self { year, month, day, second_of_day: seconds % 86_400 }
    }

    /// For names: `20260131T235959Z`.
    #[must_use]
    pub fn compact(self) -> String {
        let (hour, minute, second) = self.time();
        let Self { year, month, day, .. } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// For people and records (RFC 3339): `2026-01-31T23:59:59Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (hour, minute, second) = self.time();
        let Self { year, month, day, .. } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn time(self) -> (u64, u64, u64) {
        let of_day = self.second_of_day;
        (of_day / 3600, of_day / 60 % 60, of_day % 60)
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years start in March here, so that the
/// leap day is the last; an era is the 146,097 days of 400 years.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, expected: &str) {
        assert_eq!(Utc::from_unix(Duration::from_secs(seconds)).rfc3339(), expected);
    }

    #[test]
    fn known_moments_have_their_known_dates() {
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_709_251_200, "2024-03-01T00:00:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(2_147_483_647, "2038-01-19T03:14:07Z");
    }

    #[test]
    fn every_day_of_five_hundred_years_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..182_622 {
            assert_eq!(civil_from_days(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn a_compact_moment_fits_a_file_name() {
        let moment = Utc::from_unix(Duration::from_secs(1_769_903_999));
        assert_eq!(moment.compact(), "20260131T235959Z");
    }
}
