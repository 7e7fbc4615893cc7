//! What comes of members that go away: who is on the way back, and how long it took.
//!
//! Three times for each, never one: `lateness` from when it was to come back until this side got
//! round to it, `reconnect` from there to the service's answer that it is attached, `catch_up` from
//! there until it has all that it missed. Takes instants as arguments and reads no clock. Called by
//! the worker; read by the report.

use std::collections::HashMap;
use std::time::Duration;

use super::client::SessionNumber;
use super::recorder::Series;
use crate::delivery::Seq;
use crate::limits::RETURNING_MAX;

/// What came of members that went away.
#[derive(Clone, Debug, Default)]
pub struct Returns {
    /// Times that a member went away.
    pub away: u64,
    /// Times that one was to go again and was not here yet: it stayed on its way.
    pub skipped: u64,
    /// Of those that went, the times that it came back and was attached.
    pub back: u64,
    /// Of those, the ones that got everything they had missed.
    pub caught_up: u64,
    /// Times that one was told to go on without what it missed.
    pub resyncs: u64,
    /// Of the handshakes of those that came back, the resumed ones; set at the end.
    pub resumed: u64,
    /// From the start of the handshake to the answer that the member is attached.
    pub reconnect: Series,
    /// From the start of the handshake to the last message that had been ordered by then.
    pub catch_up: Series,
    /// From when a member was to come back to the start of its handshake.
    pub lateness: Series,
    /// When the first began to come back, and when the last was attached, since the start of the
    /// run.
    pub span: Option<(Duration, Duration)>,
    under_way: HashMap<SessionNumber, UnderWay>,
    connecting: u32,
}

/// A member that is not here yet.
#[derive(Clone, Copy, Debug)]
enum UnderWay {
    /// Until the service says that it is attached.
    Connecting { since: Duration },
    /// Until it has the last message that it missed.
    CatchingUp { since: Duration, head: Seq },
}

impl Returns {
    /// A member goes.
    pub fn left(&mut self) {
        self.away += 1;
    }

    /// A member was to go, and is not here.
    pub fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// Whether one more may begin to come back.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.connecting < RETURNING_MAX
    }

    /// A member that was to come back at `intended` begins its handshake at `at`.
    pub fn started(&mut self, session: SessionNumber, intended: Duration, at: Duration) {
        self.lateness.record(intended, at);
        let first = self.span.map_or(at, |(first, _)| first);
        self.span = Some((first, self.span.map_or(at, |(_, last)| last)));
        self.connecting += 1;
        self.under_way.insert(session, UnderWay::Connecting { since: at });
    }

    /// The service says that a member is attached, and that the group's last message is `head`.
    /// False if the member was not on its way.
    pub fn attached(&mut self, session: SessionNumber, head: Seq, at: Duration) -> bool {
        let Some(UnderWay::Connecting { since }) = self.under_way.get(&session).copied() else {
            return false;
        };
        self.connecting -= 1;
        self.back += 1;
        self.reconnect.record(since, at);
        self.span = self.span.map(|(first, _)| (first, at));
        self.under_way.insert(session, UnderWay::CatchingUp { since, head });
        true
    }

    /// Whether a member is on its way and not attached yet.
    #[must_use]
    pub fn is_connecting(&self, session: SessionNumber) -> bool {
        !self.under_way.is_empty()
            && matches!(self.under_way.get(&session), Some(UnderWay::Connecting { .. }))
    }

    /// Whether a member is on its way: not attached yet, or without something that it missed.
    #[must_use]
    pub fn is_under_way(&self, session: SessionNumber) -> bool {
        self.under_way.contains_key(&session)
    }

    /// A member has everything up to `seen`. O(1), and next to nothing while nobody is on the way.
    pub fn seen(&mut self, session: SessionNumber, seen: Seq, at: Duration) {
        if self.under_way.is_empty() {
            return;
        }
        if let Some(UnderWay::CatchingUp { since, head }) = self.under_way.get(&session).copied()
            && seen >= head
        {
            self.under_way.remove(&session);
            self.caught_up += 1;
            self.catch_up.record(since, at);
        }
    }

    /// A member's session has ended before it was here.
    pub fn lost(&mut self, session: SessionNumber) {
        if let Some(UnderWay::Connecting { .. }) = self.under_way.remove(&session) {
            self.connecting -= 1;
        }
    }

    /// Whether nobody is on the way.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Members attached for each second between the first handshake and the last answer; 0 when
    /// there was no time between.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let span = self.span.map_or(Duration::ZERO, |(first, last)| last.saturating_sub(first));
        if span.is_zero() { 0.0 } else { self.back as f64 / span.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_return_is_timed_to_its_attachment_and_to_the_last_message_it_missed() {
        let mut returns = Returns::default();
        returns.left();
        returns.started(7, ms(100), ms(110));
        returns.seen(7, Seq(5), ms(111));
        assert!(returns.is_connecting(7) && !returns.is_connecting(8));
        assert!(returns.attached(7, Seq(9), ms(130)));
        assert!(!returns.is_still() && !returns.is_connecting(7));
        assert!(returns.is_under_way(7) && !returns.is_under_way(8));
        returns.seen(7, Seq(8), ms(140));
        assert_eq!((returns.back, returns.caught_up), (1, 0));
        returns.seen(7, Seq(9), ms(160));
        returns.seen(7, Seq(10), ms(170));
        assert_eq!((returns.caught_up, returns.is_still()), (1, true));
        assert!(!returns.is_under_way(7), "it may go again");
        let times = [&returns.lateness, &returns.reconnect, &returns.catch_up];
        assert_eq!(times.map(|series| series.max_us() / 100), [100, 200, 500]);
        assert_eq!(times.map(Series::count), [1, 1, 1]);
    }

    #[test]
    fn nobody_else_is_attached_or_catches_up() {
        let mut returns = Returns::default();
        assert!(!returns.attached(3, Seq(0), ms(1)));
        returns.started(7, ms(0), ms(0));
        assert!(!returns.attached(3, Seq(0), ms(1)));
        returns.seen(3, Seq(9), ms(1));
        assert!(returns.attached(7, Seq(0), ms(1)));
        assert!(!returns.attached(7, Seq(0), ms(2)), "once");
        assert_eq!((returns.back, returns.reconnect.count()), (1, 1));
    }

    #[test]
    fn who_is_lost_on_the_way_makes_room_for_others() {
        let mut returns = Returns::default();
        for session in 0..RETURNING_MAX {
            assert!(returns.has_room());
            returns.started(session, ms(0), ms(0));
        }
        assert!(!returns.has_room());
        returns.lost(3);
        returns.lost(3);
        assert!(returns.has_room());
        assert!(returns.attached(4, Seq(1), ms(1)));
        returns.lost(4);
        returns.started(3, ms(0), ms(2));
        assert!(returns.has_room() && !returns.is_still());
    }

    #[test]
    fn the_rate_of_returns_is_over_the_time_that_they_took() {
        let mut returns = Returns::default();
        assert_eq!(returns.per_second(), 0.0);
        for session in 0..20 {
            returns.started(session, ms(1_000), ms(1_000 + u64::from(session)));
        }
        for session in 0..20 {
            returns.attached(session, Seq(0), ms(1_100));
        }
        assert!((returns.per_second() - 200.0).abs() < 1e-9);
    }
}
