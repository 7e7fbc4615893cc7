//! How an impostor behaves: well, or with one fault at a chosen message.

use std::time::Duration;

/// Everything about how it behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// What it does wrong, once.
    pub(super) fault: Option<Fault>,
    /// How long it keeps everything that it has to say.
    pub(super) delay: Duration,
    /// How long it works at each submission, one after the other: what it cannot bear queues up.
    pub(super) work: Duration,
    /// How much longer it keeps deliveries than answers.
    pub(super) delivery_delay: Duration,
    /// Which of all who want to be attached, in their order from 1, it does not attach.
    pub(super) turns_away: Option<u64>,
    /// Of how many submissions it turns one away, because it has too much to do.
    pub(super) sheds_one_of: Option<u64>,
}

/// One fault, and where it strikes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// The group, by the order of creation.
    pub(super) group: usize,
    /// The message: that which is `seq` in the group's order, or comes to be it. Of faults about
    /// losers: the first commit that loses after it.
    pub(super) seq: u64,
    /// The member that is hit, by its place in the roster; `None` for all of them.
    pub(super) member: Option<usize>,
    /// What happens.
    pub(super) what: What,
}

/// What can be done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The message is not delivered.
    Lose,
    /// It is delivered twice.
    Duplicate,
    /// It is delivered twice, and then nothing is said any more.
    DuplicateAndFallSilent,
    /// It is delivered after the next one.
    Reorder,
    /// It and the next one change places, each with the other's sequence number.
    Exchange,
    /// A byte of it is another on the way.
    Corrupt,
    /// A message of another group comes in its place.
    OfAnotherGroup,
    /// It comes under an id that nobody chose.
    UnknownId,
    /// After it comes another that nobody submitted, at a place far ahead.
    Beyond,
    /// The member is told to go on after it.
    Resync,
    /// Its sequence number is left out of the order: it becomes the next.
    SkipNumber,
    /// The first commit that loses after it is ordered as well.
    AcceptLoser,
    /// The same, at the winner's place: half of the members have one, half the other.
    Fork,
    /// Nobody is told that it is ordered.
    NoAnswer,
    /// Its sender is told so twice.
    AnswerTwice,
    /// Its sender is told so, and then that it is refused.
    Contradict,
    /// Its sender is told so, with another place.
    WrongPlace,
    /// Its sender is told so, with an epoch that it cannot have led to.
    WrongEpochAfter,
    /// Its sender is told that it is refused, and it is ordered all the same.
    RefuseAndOrder,
    /// It vanishes: it is neither answered nor ordered.
    Swallow,
    /// The loser is told another winner.
    WrongWinner,
    /// The loser is told no winner.
    NoWinner,
    /// The loser is told that its epoch is the current one.
    StaleEpoch,
    /// The loser is told an epoch that is far ahead.
    EpochAhead,
    /// The connection of the member ends.
    CloseSession,
    /// From here on nothing is said for so long; everything is read.
    Mute(Duration),
    /// From here on nothing is delivered for so long; everything is answered.
    HoldDeliveries(Duration),
    /// Its sender is told that it is ordered, and then nothing is said any more.
    AcceptAndFallSilent,
    /// For so long nothing at all happens: nothing is read, nothing acknowledged.
    Freeze(Duration),
}

impl What {
    /// Whether it strikes at the first commit that loses, rather than at a message that is ordered.
    pub(super) fn is_about_losers(self) -> bool {
        matches!(
            self,
            Self::AcceptLoser
                | Self::Fork
                | Self::WrongWinner
                | Self::NoWinner
                | Self::StaleEpoch
                | Self::EpochAhead
        )
    }
}
