//! Every bound of the system, with its reason and its cost.
//!
//! A bound lives here or nowhere. Const assertions tie together those that must agree.

use std::time::Duration;

mod defence;

pub use defence::*;

/// Longest group id in bytes. MLS allows more (RFC 9420 §8.1); OpenMLS makes 16, MIMI room
/// identifiers hash to 32. Held inline in every group and in every submission.
pub const GROUP_ID_BYTES_MAX: usize = 64;

/// Largest MLSMessage in bytes. The first X-Wing commit after adding 10,000 members at once is
/// 11.7 MB. Raising it raises what one hostile member can make the service hold.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Most members of one group. Costs about 48 bytes each in the roster.
pub const ROSTER_MAX: usize = 100_000;

/// Past epochs in which an application message is still accepted, at most; members keep keys for
/// 2 to 5 of them. Costs nothing here; it costs members the keys of that many epochs.
pub const PAST_EPOCHS_MAX: u64 = 3;

/// Closed epochs of a group whose winning commit can still be named to a loser. 8 bytes each.
pub const EPOCHS_REMEMBERED_MAX: usize = 64;

/// Proposals of one epoch. A committer must include them all, so their number is its burden.
pub const PROPOSALS_PENDING_MAX: usize = 1_024;

/// Groups of one shard. An idle group of two costs about 1 KiB.
pub const GROUPS_PER_SHARD_MAX: usize = 4 << 20;

/// Messages a group keeps for members that catch up, about 150 bytes each besides the body.
pub const RING_ENTRIES_MAX: usize = 1_024;

/// Bytes of bodies a group keeps for members that catch up: one commit of any size, or a thousand
/// ordinary messages of 64 KiB.
pub const RING_BYTES_MAX: usize = 64 << 20;

/// Bytes of bodies all groups of a shard keep together; beyond it the shard's oldest message is
/// forgotten first, whichever group it is of.
pub const SHARD_RING_BYTES_MAX: usize = 1 << 30;

/// Messages all groups of a shard keep together, about 150 bytes each besides the body; beyond it
/// the shard's oldest message is forgotten first.
pub const SHARD_RING_ENTRIES_MAX: usize = 4 << 20;

/// Accepted message ids a shard remembers to recognise retries, 64 bytes each and 8 MiB to find
/// them. When full, the oldest is forgotten early and a retry of it would be accepted twice: a
/// shard that accepts 1,700 messages a second remembers them for [`RETRY_AGE_MAX`], at 10,000 for
/// 104 seconds, at 100,000 for 10. All groups of a shard share it. At most 2^20, as many as the
/// memory's positions.
pub const RETRIES_REMEMBERED_MAX: usize = 1 << 20;

/// How long an accepted message id is remembered: far beyond any client's retry.
pub const RETRY_AGE_MAX: Duration = Duration::from_secs(600);

/// How long a message is kept for members that have not acknowledged it, unless more messages or
/// bytes push it out before. Costs memory, and log, for as long as a member stays away.
pub const RETENTION_AGE_MAX: Duration = Duration::from_hours(30 * 24);

/// Shards of one server: the width of a group's watcher set.
pub const SHARDS_MAX: usize = 64;

/// Resync notices to one recipient of one group before it is closed: it does not keep up.
pub const RESYNCS_MAX: u8 = 2;

/// How long a recipient may take nothing while something waits for it.
pub const STALL_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(MESSAGE_BYTES_MAX <= RING_BYTES_MAX);
const _: () = assert!(RING_BYTES_MAX <= SHARD_RING_BYTES_MAX);
const _: () = assert!(PAST_EPOCHS_MAX < EPOCHS_REMEMBERED_MAX as u64);
const _: () = assert!(SHARDS_MAX <= u64::BITS as usize);

/// Highest epoch a group can be created at: no group lives long enough to wrap from here.
pub const EPOCH_MAX: u64 = u64::MAX / 2;

/// Bytes that the in-memory log holds. It is never replayed; it only shows what was logged.
pub const MEMORY_LOG_BYTES_MAX: usize = 1 << 20;

/// UDP messages moved by one system call. More would not be faster and would delay the first.
pub const BATCH_DATAGRAMS_MAX: usize = 64;

/// Bytes of one train of packets: the kernel's bound on one UDP message.
pub const TRAIN_BYTES_MAX: usize = 65_535;

/// Packets of one train. 44 of 1,452 bytes still fit one UDP message.
pub const TRAIN_PACKETS_MAX: usize = 44;

/// Bytes of one send batch: room for several full trains.
pub const SEND_BATCH_BYTES_MAX: usize = 1 << 20;

/// Bytes written and not yet sent from which on a connection sends in turn with others like it.
/// Above what some eighty waiting messages of a sentence come to.
pub const BULK_BYTES_MIN: usize = 32 << 10;

/// Bytes of long transmissions that leave in one turn, one train of each connection after another:
/// about a millisecond, which is what a short message waits behind them.
pub const BULK_BYTES_PER_TURN: usize = 1 << 20;

/// Bytes of long transmissions on their way at once, of one driver's connections together; beyond it
/// whoever has something long to send waits. What one socket's buffer holds: more would only stand
/// in queues on the way, in front of everything else, until one of them overflows. To members 50 ms
/// away it lets a shard send 84 MB/s of long messages.
pub const BULK_BYTES_DUE_MAX: usize = SOCKET_BUFFER_BYTES;

/// Kernel buffer of a UDP socket, each way. A burst larger than this is lost, timers fire and
/// throughput collapses; the default of 212,992 bytes holds about 170 small packets.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// UDP payload of a QUIC packet: 1,500 less the IPv6 and UDP headers. Fixed, never probed.
pub const MTU_BYTES: u16 = 1_452;

/// Connections of one driver. Each costs some tens of KiB.
pub const CONNECTIONS_MAX: usize = 200_000;

/// Packets that a member acknowledges at once, if they come within 25 ms
/// (draft-ietf-quic-ack-frequency; RFC 9000 §13.2.2 suggests 2). More would save little more.
pub const PACKETS_PER_ACK: u32 = 10;

/// Bytes that a connection may have on its way before the first acknowledgement: twice what a
/// member acknowledges at once, so that no window ever waits for a delayed acknowledgement. RFC 9002
/// §7.2 recommends half of it, for paths of which nothing is known.
pub const INITIAL_WINDOW_BYTES: u64 = 2 * PACKETS_PER_ACK as u64 * MTU_BYTES as u64;

/// Silence after which a connection is given up.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

/// Silence after which a client says that it is still there: two packets for each connection, every
/// time. 100,000 quiet members cost the service 5,000 packets a second.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);

const _: () = assert!(2 * KEEP_ALIVE.as_secs() < IDLE_MAX.as_secs());

/// Bytes that the service may have sent a client on one stream before they are read. What it takes
/// itself is less: [`SERVICE_WINDOW_BYTES`].
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Bytes that the service may have sent a client on one connection before they are read.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;

/// Bytes that we keep for a peer until it acknowledges them: what a slow member can hold. A longer
/// frame opens the window for itself while it is being sent; its bytes are shared by all recipients.
pub const SEND_WINDOW_BYTES: u64 = 256 << 10;

/// Sessions (devices) of one connection, each a bidirectional stream. A stream slot costs about
/// 100 bytes, so the peer is granted more only as it uses them.
pub const SESSIONS_PER_CONNECTION_MAX: u32 = 128;

/// Stream slots of each direction that a connection starts with.
pub const STREAMS_INITIAL: u32 = 2;

// Slots are granted by doubling.
const _: () = assert!(SESSIONS_PER_CONNECTION_MAX.is_power_of_two());

const _: () = assert!(MTU_BYTES as usize * TRAIN_PACKETS_MAX <= TRAIN_BYTES_MAX);
const _: () = assert!(TRAIN_BYTES_MAX <= SEND_BATCH_BYTES_MAX);
/// Largest client frame in bytes, after its length field and once the session is authenticated.
/// Room for the largest message together with the largest roster change, and 1 KiB of fields; so
/// no legal submission is refused by framing. It is what one member can make a session hold.
pub const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + ROSTER_MAX * DEVICE_ID_BYTES + 1024;

/// Largest client frame in bytes, after its length field, before the session is authenticated. A
/// hello is 59; the rest is room to refuse a longer one by its meaning. Raising it raises what a
/// stranger can make the service hold.
pub const FRAME_BYTES_UNAUTHENTICATED_MAX: usize = 256;

/// Bytes of a device id and of a message id on the wire.
const DEVICE_ID_BYTES: usize = 16;

// A submission: type, message id, two counts, the change, the message.
const _: () =
    assert!(1 + 16 + 8 + ROSTER_MAX * DEVICE_ID_BYTES + MESSAGE_BYTES_MAX <= FRAME_BYTES_MAX);
// A creation: type, request id, epoch, group id with its length, count, the roster.
const _: () = assert!(
    1 + 16 + 8 + 1 + GROUP_ID_BYTES_MAX + 4 + ROSTER_MAX * DEVICE_ID_BYTES <= FRAME_BYTES_MAX
);
// A hello: type, version, device, token.
const _: () = assert!(1 + 1 + DEVICE_ID_BYTES + TOKEN_BYTES < FRAME_BYTES_UNAUTHENTICATED_MAX);
// A frame's length field is a u32; a group id's is a u8; an MLS vector is shorter than 2^30.
const _: () = assert!(FRAME_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(GROUP_ID_BYTES_MAX <= u8::MAX as usize);
const _: () = assert!(MESSAGE_BYTES_MAX < 1 << 30);

/// Batches that one shard may have sent another and the other not yet taken, of what it asks and of
/// what it has decided. When full, the sender takes no new requests until there is room.
pub const MESH_BATCHES_MAX: usize = 1_024;

/// Frames that the slowest recipient of a group on a shard may be behind before it has to
/// resynchronise. 40 bytes each besides the frame, which recipients share.
pub const AUDIENCE_ENTRIES_MAX: usize = RING_ENTRIES_MAX;

/// Bytes of frames that the slowest recipient of a group on a shard may be behind.
pub const AUDIENCE_BYTES_MAX: usize = RING_BYTES_MAX;

/// Bytes of answers that may wait for a session's control stream; beyond it, its requests are
/// left unread until they have left.
pub const REPLIES_PENDING_BYTES_MAX: usize = 64 << 10;

/// Groups that one session may drain at once. 8 bytes each.
pub const GROUPS_PER_SESSION_MAX: usize = 10_000;

/// Attachments of one session that the groups' owners have not answered; beyond it, its requests
/// are left unread until they have. Each answer lists what the group keeps: 150 KiB at most, the
/// bodies shared. Raising it raises what a few bytes of requests make the service hold.
pub const ATTACHMENTS_PENDING_MAX: usize = 16;

/// How long a connection may stay without an authenticated session.
pub const HELLO_MAX: Duration = Duration::from_secs(10);

/// Bytes of waiting frames that are joined into one piece for everybody who is due the same. Joined
/// and copied once for a few dozen recipients; a longer frame goes alone, uncopied.
pub const COALESCED_BYTES_MAX: usize = 64 << 10;

/// Recipients visited before the shard looks at its socket again: about a millisecond of sends.
/// A longer turn would inflate round-trip samples and delay commits.
pub const SWEEP_VISITS_PER_TURN: usize = 256;

/// Bytes handed to recipients before the shard looks at its socket again.
pub const SWEEP_BYTES_PER_TURN: usize = 1 << 20;

/// How long a stopping server waits for what it has accepted to be taken by its recipients.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Most members that one minted commit adds. A bulk add is quadratic in its adds, and every commit
/// costs the whole tree: both fewer and more at a time take longer at 10,000 members.
pub const BULK_ADD_MAX: usize = 1_000;

/// How many application messages of one sender may overtake another before a real member can no
/// longer decrypt it. Costs one key each, per sender, in every epoch that is kept.
pub const RATCHET_OVERTAKEN_MAX: u32 = 1_024;

/// How many messages of one sender a real member may never see without losing the next one.
/// Costs one key derivation each, once, when they are skipped.
pub const RATCHET_SKIPPED_MAX: u32 = 1 << 20;

/// Largest scenario file in bytes. A hand-written one is a few kilobytes; the bound keeps a
/// mistyped path from reading a tape into memory.
pub const SCENARIO_BYTES_MAX: usize = 256 << 10;

/// Most group classes of one scenario. Each costs three histograms per worker.
pub const CLASSES_MAX: usize = 64;

/// Most groups of one scenario. Each costs the engine about 400 bytes before its members.
pub const GROUPS_MAX: u32 = 200_000;

/// Most memberships of one scenario. Each costs the oracle 40 bytes and the engine a session.
pub const MEMBERS_MAX: u32 = 2_000_000;

/// Most members that run OpenMLS inside a run. Each costs about 1 KiB for every member of its
/// group, and the time of one decryption per delivery.
pub const REAL_MEMBERS_MAX: u32 = 20_000;

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

/// Most examples kept of each kind of violation. The counts are exact beyond it.
pub const VIOLATION_EXAMPLES_MAX: usize = 5;

/// Most skipped deliveries remembered, so that a late one is told from a repeated one. Beyond it
/// a late delivery counts as a duplicate; it is a violation either way. Costs 24 bytes each, and
/// nothing while the service is correct.
pub const SKIPS_REMEMBERED_MAX: usize = 65_536;

/// Longest latency a histogram holds, in microseconds: a day. What is longer is recorded as this
/// and counted as saturated. A histogram that sees it costs about 220 KiB.
pub const LATENCY_US_MAX: u64 = 86_400_000_000;

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

/// A run is invalid when mean in flight and throughput x mean response differ by more than this
/// share of the larger (Little's law): the generator's own books would not balance.
pub const LITTLE_ERROR_MAX: f64 = 0.05;

const _: () = assert!(PAYLOAD_BYTES_MAX < MESSAGE_BYTES_MAX as u64);
const _: () = assert!(CONNECTIONS_MAX <= MEMBERS_MAX as usize);
const _: () = assert!(SESSIONS_PER_CONNECTION_MAX <= MEMBERS_MAX);
const _: () = assert!(ROSTER_MAX as u64 <= MEMBERS_MAX as u64);

/// Fewest operations with an outcome for Little's law to be checked: with fewer, what overlaps
/// the edges of the window weighs more than [`LITTLE_ERROR_MAX`].
pub const LITTLE_OPERATIONS_MIN: u64 = 1_000;

/// Most reasons given with a verdict; the counts say the rest.
pub const REASONS_MAX: usize = 20;

/// Sessions that a run opens before those before them are ready, and attachments likewise: a
/// handshake burst larger than a socket buffer would be lost.
pub const CONNECTING_MAX: u32 = 64;

/// How long a run waits for a server that says nothing before it has started.
pub const SETUP_SILENCE_MAX: Duration = Duration::from_secs(10);

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
/// with what is then still in flight well below [`IDLE_MAX`].
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
