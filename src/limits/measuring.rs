//! The bounds of what measures: minting, the load engine, the floor, the comparison with peers.
//!
//! None of them binds a service.

use std::time::Duration;

use super::{
    AUDIENCE_ENTRIES_MAX, CONNECTIONS_MAX, MESSAGE_BYTES_MAX, ROSTER_MAX,
    SESSIONS_PER_CONNECTION_MAX,
};

/// Most members that one minted commit adds. A bulk add is quadratic in its adds, and every commit
/// costs the whole tree: both fewer and more at a time take longer at 10,000 members.
pub const BULK_ADD_MAX: usize = 1_000;

/// Longest that a tape founds groups at a service that looks at lifetimes: less than the 84 days
/// for which OpenMLS makes KeyPackages. Older ones cost minting anew.
pub const TAPE_AGE_MAX: Duration = Duration::from_secs(80 * 86_400);

/// How many application messages of one sender may overtake another before a real member can no
/// longer decrypt it. Costs one key each, per sender, in every epoch that is kept.
pub const RATCHET_OVERTAKEN_MAX: u32 = 1_024;

/// How many messages of one sender a real member may never see without losing the next one.
/// Costs one key derivation each, once, when they are skipped.
pub const RATCHET_SKIPPED_MAX: u32 = 1 << 20;

/// Fewest repetitions of an operation that a time of a suite is told from: the least with which two
/// of them enclose the median as surely as is asked. Each costs its operation, a second or two in the
/// largest groups.
pub const SUITE_REPETITIONS_MIN: usize = 6;

/// Most repetitions: a microsecond's operation would fill memory with its messages.
pub const SUITE_REPETITIONS_MAX: usize = 200;
const _: () = assert!(SUITE_REPETITIONS_MIN < SUITE_REPETITIONS_MAX);

/// Fewest repetitions of what takes little but a signature, of an ML-DSA suite a few milliseconds each:
/// such a signature takes as many draws as it takes, four or five on average and often one or ten.
pub const SUITE_SIGNATURES_MIN: usize = 30;
const _: () = assert!(SUITE_REPETITIONS_MIN < SUITE_SIGNATURES_MIN);
const _: () = assert!(SUITE_SIGNATURES_MIN < SUITE_REPETITIONS_MAX);

/// Members of the smallest group in which a member's memory is told: in one of a hundred several take
/// less than the pages that a process gets at once.
pub const SUITE_MEMORY_MEMBERS_MIN: u32 = 500;

/// Members who join on, after a join has been timed, until each takes as much memory as the one before.
pub const SUITE_JOINED_MAX: usize = 12;

/// Their trees together, in bytes on the wire: some fewer where one has megabytes of it.
pub const SUITE_JOINED_BYTES_MAX: usize = 48 << 20;

/// For how long they do: a few seconds for each cell of a large group at most, and mostly none.
pub const SUITE_JOINING_MAX: Duration = Duration::from_secs(4);

/// Bytes that are kept of what a process said aside before it failed at a cell: a message of a panic,
/// and none of its backtrace.
pub const SUITE_LAST_WORDS_BYTES: u64 = 2 << 10;

/// What processes that measure have said and nobody has looked at yet. When it is full they wait, which
/// costs nobody a time: nothing is said while one is taken.
pub const SUITE_NEWS_WAITING_MAX: usize = 64;

/// Cells that are measured at the same time unless another number is asked for. On two cores of which
/// each has one, medians were not seen to differ from those of one alone by more than they do from
/// each other; more at once share caches and memory with ever more.
pub const SUITE_JOBS_AT_ONCE: u32 = 2;

/// What a process takes in memory whatever it measures. 20 to 25 MiB were seen.
pub const SUITE_PROCESS_BYTES: usize = 32 << 20;

/// How many times the bytes of its ratchet tree on the wire a cell takes in memory: two members, those
/// who join to be timed, the KeyPackages of all others, and what is being made. 19 were seen at 1,000
/// members with ML-DSA, where the tree is nearly all that there is; a quarter more is left for who joins
/// on and for what was not seen.
pub const SUITE_TREES_IN_MEMORY: usize = 24;

/// What a cell takes in memory for each leaf beside that, in bytes: the stacks' own structures, of
/// as many members. At 1,000 members 14 kB were seen in OpenMLS and 28 kB in mls-rs, at 10,000 in
/// the latter 18 kB, with four to five of them for the trees of classical keys. Those who join on take
/// 12 to 20 kB more.
pub const SUITE_LEAF_BYTES: usize = 40 << 10;

/// Members of the largest group that is brought into a merged or a churned tree unasked, and of the
/// smallest but one that is settled instead: half of the members of a merged group come in one by
/// one, and each verifies everybody before it. At 500 members that took 8 s of processor time with
/// Ed25519 and 77 s with ML-DSA-65, four times as much at 1,000, for each of two dozen suites.
pub const SUITE_MERGED_MEMBERS_MAX: u32 = 100;

/// Members of the largest group of a comparison: half an hour of bulk adds.
pub const SUITE_MEMBERS_MAX: u32 = 50_000;

/// Largest scenario file in bytes. A hand-written one is a few kilobytes; the bound keeps a
/// mistyped path from reading a tape into memory.
pub const SCENARIO_BYTES_MAX: usize = 256 << 10;

/// Most group classes of one scenario. Each costs four histograms per worker.
pub const CLASSES_MAX: usize = 64;

/// Most messages of its group after which a member acknowledges: as many as the service keeps for
/// one that says nothing. Fewer cost a request each, and in a durable group a log entry.
pub const ACKNOWLEDGE_EVERY_MAX: u32 = 1_024;
const _: () = assert!(ACKNOWLEDGE_EVERY_MAX as usize <= AUDIENCE_ENTRIES_MAX);

/// Most groups of one scenario. Each costs the engine about 400 bytes before its members.
pub const GROUPS_MAX: u32 = 200_000;

/// Most memberships of one scenario. Each costs the oracle 40 bytes and the engine a session.
pub const MEMBERS_MAX: u32 = 2_000_000;

/// Most members that run OpenMLS inside a run. Each costs about 1 KiB for every member of its
/// group, and the time of one decryption per delivery.
pub const REAL_MEMBERS_MAX: u32 = 20_000;

/// Least share of the operations due in a trial that are accepted in it, if it is to count as one
/// whose load the service bears.
pub const ACHIEVED_SHARE_MIN: f64 = 0.99;

/// Most that the operations in flight may grow in the second half of such a trial, as a share of
/// what is offered in it: a queue that grows faster has no end.
pub const BACKLOG_SHARE_MAX: f64 = 0.01;

/// Fewest values whose p99 is told: of fewer it is the largest, which chance decides.
pub const P99_VALUES_MIN: u64 = 100;

/// Most loads, and most rounds, of a sweep: hours of the shortest runs.
pub const SWEEP_LOADS_MAX: usize = 64;
/// See [`SWEEP_LOADS_MAX`].
pub const SWEEP_ROUNDS_MAX: u32 = 100;

/// Most thresholds of one scenario. Each is asked once a second whether it can still hold, which
/// takes a pass over a histogram: some ten microseconds of the worker's time.
pub const THRESHOLDS_MAX: usize = 64;

/// How long a run that has been given up waits for what is in flight, so that its books close.
pub const ABORT_DRAIN: Duration = Duration::from_secs(1);

/// Most operations of one schedule. Each costs 40 bytes before the run, and up to 200 in
/// the oracle while it is outstanding.
pub const OPERATIONS_MAX: u64 = 5_000_000;

/// Most submission attempts of one run, first tries and retries together. The oracle keeps one
/// byte for each.
pub const ATTEMPTS_MAX: u64 = 4 * OPERATIONS_MAX;

/// Highest operation rate of one class, in operations per second. Beyond it the pacer of one
/// core is the limit, and [`OPERATIONS_MAX`] is reached within seconds.
pub const RATE_PER_SECOND_MAX: u64 = 1_000_000;

/// Largest plaintext of an application message in bytes. Its ciphertext must stay below
/// [`MESSAGE_BYTES_MAX`].
pub const PAYLOAD_BYTES_MAX: u64 = 4 << 20;

/// Longest phase of a run in seconds: a day.
pub const PHASE_SECONDS_MAX: u32 = 86_400;

/// How late an operation may be and is still sent, unless its scenario says otherwise: after as long
/// a submission without an answer is given up.
pub const LATE_CAUGHT_UP: Duration = OPERATION_TIMEOUT;

/// How late an operation may be and is still sent by a scenario that would rather leave it out: what
/// makes a run invalid by its lateness, five times.
pub const LATE_TOLERATED: Duration = Duration::from_millis(50);

/// Largest trace file in bytes: the most operations of a schedule, in short lines. It is read into
/// memory, and its operations take 24 bytes each.
pub const TRACE_BYTES_MAX: usize = 64 << 20;

/// Steepest exponent by which some groups or senders are chosen more often than others. At 4 the
/// first of them does nine tenths of everything.
pub const HOT_EXPONENT_MAX: f64 = 4.0;

/// Most phases of one scenario. Each costs six series in the recorder, about 100 KiB, and a row in
/// the result.
pub const PHASES_MAX: usize = 64;

/// The shortest window that headlines may be about: less is a glance, not a measurement.
pub const WINDOW_MIN: Duration = Duration::from_millis(100);

/// The most that a phase offers of each class's rate, in percent. With the longest phases and the
/// highest rate its operations are still counted exactly in 128 bits.
pub const FACTOR_PERCENT_MAX: u64 = 10_000;

/// Most examples kept of each kind of violation. The counts are exact beyond it.
pub const VIOLATION_EXAMPLES_MAX: usize = 5;

/// Most skipped deliveries remembered, so that a late one is told from a repeated one. Beyond it
/// a late delivery counts as a duplicate; it is a violation either way. Costs 24 bytes each, and
/// nothing while the service is correct.
pub const SKIPS_REMEMBERED_MAX: usize = 65_536;

/// Longest latency a histogram holds, in microseconds: a day. What is longer is recorded as this
/// and counted as saturated. A histogram that sees it costs about 220 KiB.
pub const LATENCY_US_MAX: u64 = 86_400_000_000;

/// Length of an interval of a run that is not longer than [`INTERVALS_MAX`] of them: short enough to
/// see a pause, long enough for a p99 of what comes a hundred times a second.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Most intervals of one run. A longer run has longer ones. Each costs about 200 bytes, and some
/// hundreds for each of its six packed histograms: 10 to 30 MB for all.
pub const INTERVALS_MAX: usize = 3_600;

/// A run is invalid when its worker's thread was busy for more than this share of the measured window.
/// What arrives at a thread that is busy for nine tenths of the time waits for 4.5 others on average
/// before it is looked at (M/D/1: b / 2(1-b)), at 95 % for 9.5: from here on the engine's own queue is
/// what is measured. Over loopback the kernel bills the worker for half of the server's receiving and
/// the server for half of the worker's; whoever's work it is, the thread had no room left.
pub const WORKER_BUSY_SHARE_MAX: f64 = 0.90;

/// A run is invalid when the kernel dropped more receives of this side than this share of its measured
/// operations. Each holds up the last member of one operation at least until QUIC sends it again, so
/// below this a p99 is still one of the service.
pub const RECEIVE_DROPS_SHARE_MAX: f64 = 0.001;

/// Share of the machine's time that may go to other guests of its host before a run says so.
pub const STEAL_SHARE_WARN: f64 = 0.01;

/// A machine whose timers are later than this (p99, microseconds) when nothing else runs is a weak one:
/// a tenth of [`LATENESS_P99_US_MAX`] is gone before there is any load.
pub const TIMER_P99_US_WEAK: u64 = LATENESS_P99_US_MAX / 10;

/// A reading of the clock that takes longer than this, in nanoseconds, is weak: it is not read in user
/// mode, and an operation takes several.
pub const CLOCK_READ_NS_WEAK: u64 = 200;

/// Less memory available than this, in bytes, is weak: 10,000 members of both sides and their traffic.
pub const MEMORY_BYTES_WEAK: u64 = 1 << 30;

/// A smaller loopback packet than an Ethernet's, in bytes, is weak: results would be of that.
pub const LOOPBACK_MTU_WEAK: u64 = 1_500;

/// Share of the flows that a firewall follows at most that may be in use.
pub const TRACKED_SHARE_WEAK: f64 = 0.9;

/// Rates at which the pacer is tested before a run, in instants a second.
pub const PACER_RATES: [u32; 3] = [1_000, 10_000, 50_000];

/// How long it is tested at each: 200 ms together, in which nothing else happens.
pub const PACER_STEP: Duration = Duration::from_millis(66);

/// Fewest intervals that can tell whether a run is steady: fewer, and half of them is no more than
/// chance.
pub const STEADY_INTERVALS_MIN: usize = 10;

/// Fewest intervals of a half that can tell noise from a trend: with five, a doubling within a minute
/// passes for noise of a twentieth.
pub const STEADY_NOISY_MIN: usize = 10;

/// Looks of the detector grow by this share of what was seen: each look is one more chance to take a
/// change for steadiness, and a hundred intervals have thirteen of them, not ninety. Costs a warm-up
/// at most a fifth more.
pub const STEADY_LOOK_GROWTH: f64 = 0.2;

/// A half whose trend may change it by more than so many deviations of its noise is not steady. Less,
/// and noise of a third of the figure is never called steady within a minute.
pub const STEADY_TREND_DEVIATIONS: f64 = 2.5;

/// What never leaves this share of its median, either way, is steady whatever its shape: nobody would
/// wait for less.
pub const STEADY_TOLERANCE: f64 = 0.02;

/// A beginning that differs from the rest by more than this share of it was still warm-up: as much as
/// would matter in a comparison of two runs.
pub const STEADY_HEAD_MIN: f64 = 0.10;

/// Fewest points that a drift is told from.
pub const DRIFT_POINTS_MIN: usize = 30;

/// Most points that a drift is told from: every pair has a slope, so these cost 180,000. More are
/// thinned to medians of neighbours.
pub const DRIFT_POINTS_MAX: usize = 600;

/// Chance that a run in which nothing drifts is said to drift, all its figures together.
pub const DRIFT_CHANCE_MAX: f64 = 0.05;

/// Least change over the measured window, as a share of the figure, that counts as a drift.
pub const DRIFT_EFFECT_MIN: f64 = 0.05;

/// A run is invalid when the p99 of the generator's lateness exceeds this many microseconds and
/// [`LATENESS_RESPONSE_SHARE_MAX`] of the response's p99, whichever is larger.
pub const LATENESS_P99_US_MAX: u64 = 10_000;

/// See [`LATENESS_P99_US_MAX`]: lateness this small beside the response does not shape it.
pub const LATENESS_RESPONSE_SHARE_MAX: f64 = 0.10;

/// A run is invalid when more than this share of what was called for was never sent.
pub const NOT_ISSUED_SHARE_MAX: f64 = 0.001;

/// A run is invalid when more than this share of what was called for never got a reply: the
/// quantiles would describe only the lucky ones.
pub const TIMED_OUT_SHARE_MAX: f64 = 0.01;

/// A run is invalid when what was counted in flight and rate x mean response differ by more than this
/// share of the larger (Little's law): the generator's own books would not balance. Of the same
/// operations they differ by the width of the histogram's buckets, a thousandth.
pub const LITTLE_ERROR_MAX: f64 = 0.05;

const _: () = assert!(PAYLOAD_BYTES_MAX < MESSAGE_BYTES_MAX as u64);
const _: () = assert!(CONNECTIONS_MAX <= MEMBERS_MAX as usize);
const _: () = assert!(SESSIONS_PER_CONNECTION_MAX <= MEMBERS_MAX);
const _: () = assert!(ROSTER_MAX as u64 <= MEMBERS_MAX as u64);

/// Fewest operations with an outcome for Little's law to be checked: with fewer, a single one that is
/// counted at another instant than it is recorded at may weigh more than [`LITTLE_ERROR_MAX`].
pub const LITTLE_OPERATIONS_MIN: u64 = 1_000;

/// Most points of one line of a chart: about as many as it is wide in pixels, so that more could not
/// be seen. Costs 12 bytes each in a report.
pub const CHART_POINTS_MAX: usize = 800;

/// Most rows of the table beside a chart over time; with more intervals a row covers several.
/// Costs about 150 bytes each in a report.
pub const CHART_ROWS_MAX: usize = 240;

/// Largest record that a report is made of, in bytes: one of every class with every histogram full
/// is a few MiB, and a mistyped path must not be read into memory.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Most reasons given with a verdict; the counts say the rest.
pub const REASONS_MAX: usize = 20;

/// Sessions that a run opens before those before them are ready, and attachments likewise: a
/// handshake burst larger than a socket buffer would be lost.
pub const CONNECTING_MAX: u32 = 64;

/// How long a run waits for a server that says nothing before it has started.
pub const SETUP_SILENCE_MAX: Duration = Duration::from_secs(10);

/// A service that delivered something so short a time before the drain was over was still at work:
/// what had not come by then may be late. Longer, and a loss passes for lateness more often; shorter,
/// and a pause of an overloaded machine passes for a loss.
pub const STILL_DELIVERING: Duration = Duration::from_secs(1);

/// How long a server may leave a request for its counters unanswered inside a run before it
/// counts as lost. Longer than a pause that a measurement should show.
pub const SERVER_SILENCE_MAX: Duration = Duration::from_secs(5);

/// After how long a submission without an answer is given up.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Deliveries that may be on their way to live members' threads, and what they say on its way
/// back. When full, deliveries wait in the worker, which never waits itself: at most everything
/// that the run delivers to live members.
pub const RACERS_QUEUE_MAX: usize = 4_096;

/// Times that a racer tries to bring one commit through.
pub const RACE_ATTEMPTS_MAX: u32 = 64;

/// Bytes of deliveries that are kept for real members of tapes until they process them. Beyond
/// it the run is not valid, since nobody can say that its members agree.
pub const REAL_INBOX_BYTES_MAX: usize = 1 << 30;

/// Members of a run that are on their way back at once, from the start of the handshake until they
/// are attached: more would hold up this side's other members for longer than its lateness may be.
/// A storm is thus as fast as the service answers, with so many always waiting.
pub const RETURNING_MAX: u32 = 32;

/// Absences of one class. Each is compared with each other before the run.
pub const ABSENCES_MAX: usize = 64;

/// Moves of members that go away and come back, in one run. Each costs 36 bytes before it.
pub const MOVES_MAX: u64 = OPERATIONS_MAX;

/// Least bytes a second that a slow member reads. A longest message takes it an hour.
pub const SLOW_SPEED_MIN: u64 = 1 << 10;

/// How long a slow member waits before it reads on: what came in that time it takes at once, as from a
/// line that is shared. Less costs this side more wakings for each such member.
pub const SLOW_GRAIN: Duration = Duration::from_millis(100);

/// Bytes that a slow member lets the service send before it has read them, unless its scenario says
/// otherwise: a second of 64 KiB/s, as a stack sizes it for such a line. What is in it the service has
/// got rid of; only beyond it is a member behind.
pub const SLOW_WINDOW_BYTES: u32 = 64 << 10;

/// Least that a slow member's window can be set to: some packets, so that the service can always send.
pub const SLOW_WINDOW_BYTES_MIN: u32 = 4 << 10;

/// How long a delivery to a slow member may take before it counts as late: what a person notices.
pub const LATE_DELIVERY: Duration = Duration::from_secs(1);

const _: () = assert!(SLOW_WINDOW_BYTES_MIN <= SLOW_WINDOW_BYTES);
const _: () = assert!(SLOW_WINDOW_BYTES <= super::STREAM_WINDOW_BYTES);

/// Session tickets that a client's driver keeps, about 1 KiB each; beyond it a ticket is dropped,
/// and a connection that comes back pays for a full handshake.
pub const TICKETS_KEPT_MAX: usize = 32_768;

/// Sockets of the load engine. Members share them; a few keep one socket's buffer from being all
/// there is between a burst and its loss.
pub const CLIENT_SOCKETS: usize = 4;

/// Share of a run's submissions that may be refused for another reason than their epoch, as a
/// bound that was reached is; beyond it the latencies are those of the lucky rest.
pub const REFUSED_SHARE_MAX: f64 = 0.001;

/// Most data packets that one acknowledgement may answer when the floor is measured: beyond it a
/// member would acknowledge less often than a window is filled.
pub const PACKETS_PER_ACK_MAX: u32 = 256;

/// Rounds that a measurement of the floor is cut into: a median and a spread need some.
pub const FLOOR_ROUNDS: u32 = 5;

/// Rounds that a measurement of the floor has even if they take longer than its budget.
pub const FLOOR_ROUNDS_MIN: u32 = 3;

/// Rounds that a measurement of the floor may lose packets in before it is given up.
pub const FLOOR_LOSSES_MAX: u32 = 3;

/// After how long without progress a round of the floor is abandoned. Longer than a pause that the
/// scheduler makes; what it costs is this long for each lost packet's round.
pub const FLOOR_SILENCE_MAX: Duration = Duration::from_secs(1);

/// Bytes that the kernel charges a socket's buffer for a UDP message beside those it holds.
pub const DATAGRAM_OVERHEAD_BYTES: usize = 1_024;

/// How long each measurement of the floor takes: long enough for a steady median.
pub const FLOOR_BUDGET: Duration = Duration::from_secs(1);

/// Sockets that sending over loopback is measured with unless others are asked for.
pub const FLOOR_RECEIVERS: u32 = 1_000;

/// Sockets that sending over loopback is measured with at most: their ports have to be free.
pub const FLOOR_RECEIVERS_MAX: u32 = 20_000;

/// Packets or trains that are on their way at once when sending over loopback is measured: 64 MiB
/// of the kernel's memory when all are full trains.
pub const FLOOR_SWEEP_MAX: usize = 1_024;

/// Descriptors that are left to the rest of the process when sockets are opened by the thousand.
pub const DESCRIPTORS_SPARED: u64 = 64;

const _: () = assert!(FLOOR_RECEIVERS <= FLOOR_RECEIVERS_MAX);
const _: () = assert!(FLOOR_ROUNDS_MIN <= FLOOR_ROUNDS);

/// Broadcasts that a comparison with peers keeps in flight, at most. A member that has none of
/// them yet is so many frames behind.
pub const IN_FLIGHT_MAX: u32 = 256;

/// Rounds of a comparison with peers, at most. Each runs every contestant once.
pub const ROUNDS_MAX: u32 = 100;

/// Messages of one round, at most: more than an hour of any contestant's.
pub const ROUND_MESSAGES_MAX: u32 = 1_000_000;

/// How long a contestant may deliver nothing while something is in flight.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long one contestant publishes before the others, who are idle meanwhile, are looked after:
/// with what is then still in flight well below [`super::IDLE_MAX`].
pub const PEER_TURN_MAX: Duration = Duration::from_secs(5);

/// Longest line of a peer's text protocol in bytes. A NATS server's greeting is about 500.
pub const PEER_LINE_BYTES_MAX: usize = 16 << 10;

/// Bytes that are read at once from a TCP connection: one buffer for all of a contestant's.
pub const PEER_READ_BYTES: usize = 256 << 10;

/// Messages that wait for one member's task in the baseline. When full, the one task that hands
/// them out waits, and with it everybody.
pub const BASELINE_QUEUE_MAX: usize = 64;

const _: () = assert!((IN_FLIGHT_MAX as usize) < AUDIENCE_ENTRIES_MAX);
// A TLS record: 2^14 bytes and what surrounds them (RFC 8446 §5.2).
const _: () = assert!(PEER_READ_BYTES > (16 << 10) + 256 + 5);

/// Largest ciphertext that a member sends while its service is killed, in bytes. Half as many on
/// average fill a log of the smallest target within some hundred kills, so that checkpoints are
/// written too. A member keeps three.
pub const SURVIVAL_BODY_BYTES_MAX: usize = 6_000;

/// How long a service that was killed may take to start again, and members to have everything at
/// the end.
pub const SURVIVAL_PATIENCE: Duration = Duration::from_secs(60);

/// Share of the engine's cores that may be busy before a rate that closed loops reach is called the
/// engine's, and not the service's. The rest is what a sleeping thread needs to wake in time.
pub const ENGINE_BUSY_SHARE_MAX: f64 = 0.90;

/// Most numbers of racers, or sizes of groups, that contention curves have.
pub const CONTENTION_STEPS_MAX: usize = 16;

/// Bytes of a log's record before what it says.
pub const LOG_RECORD_HEAD_BYTES: usize = 24;

/// Bytes of a log's record beside the message in it: the head, and 111 of its fields with a group id
/// of 32 bytes. A test of the engine holds it to what is written.
pub const LOGGED_MESSAGE_BYTES: usize = LOG_RECORD_HEAD_BYTES + 111;

/// Bytes in memory of a message that is kept, beside its body: see [`super::RING_ENTRIES_MAX`].
pub const KEPT_MESSAGE_BYTES: usize = 150;

/// Members of the groups that are minted to see how fast this machine mints: a small one, and one in
/// which the tree counts. Milliseconds with most suites, a second with the slowest.
pub const PROBE_MEMBERS: [u32; 2] = [8, 48];
