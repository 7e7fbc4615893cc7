//! Every bound of the system, with its reason and its cost.
//!
//! A bound lives here or nowhere. Const assertions tie together those that must agree.

use std::time::Duration;

mod forecasting;
mod joining;
mod measuring;
mod serving;

pub use forecasting::*;
pub use joining::*;
pub use measuring::*;
pub use serving::*;
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

/// Proposals that one commit lists, at level `public`; some 150 bytes each while it is checked. All
/// that can be pending, and as many of the committer's own: a client adds a thousand at once at
/// most, for a bulk add is quadratic in its adds, for the service too.
pub const PROPOSALS_LISTED_MAX: usize = 2_048;

const _: () = assert!(PROPOSALS_PENDING_MAX + BULK_ADD_MAX <= PROPOSALS_LISTED_MAX);

/// Members that a group of level `public` is created with. The shard checks a signature for each
/// before it does anything else, some 50 microseconds: a second for a group of this size. It may
/// grow beyond it.
pub const FOUNDED_MEMBERS_MAX: usize = 20_000;

const _: () = assert!(FOUNDED_MEMBERS_MAX <= ROSTER_MAX);

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

/// Bytes of checkpoints that a shard may write for each byte that it logs otherwise, when its log is
/// larger than it should be: the disk then takes three times what is accepted. At 1 a log of nothing
/// but live groups would only just stop growing.
pub const CHECKPOINT_SHARE: u64 = 2;

/// How long a message is kept for members that have not acknowledged it, unless more messages or
/// bytes push it out before. Costs memory, and log, for as long as a member stays away.
pub const RETENTION_AGE_MAX: Duration = Duration::from_hours(30 * 24);

/// Longest retention that can be set: a year.
pub const RETENTION_AGE_SETTING_MAX: Duration = Duration::from_hours(365 * 24);

/// Bytes that a shard's log should take. Costs as much disk, and its reading when a server starts.
pub const LOG_BYTES_TARGET: u64 = 1 << 30;

/// Most bytes that a shard's log can be set to take: a day's reading at a start is nobody's wish.
pub const LOG_BYTES_TARGET_MAX: u64 = 1 << 40;

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

/// Largest entry of a log in bytes: a checkpoint of one group with all that its ring, its enclosures
/// and its validation may hold, its roster and the fields of each message. Replay holds one at a time.
pub const LOG_RECORD_BYTES_MAX: usize = 4 * RING_BYTES_MAX;

/// Bytes of the state of a group's validation, as it is saved: 250,000 members with 32-byte keys, some
/// 7,000 with the largest post-quantum ones. A group with more is not followed at level `public`.
pub const LEVEL_BYTES_MAX: usize = 64 << 20;

/// Bytes in memory of the state of a group's validation from which on it takes no more members.
pub const LEVEL_STATE_BYTES_MAX: usize = LEVEL_BYTES_MAX;

/// Bytes of a log's segment, taken from the disk when it begins and given back when what is in it
/// is no longer needed. A larger one keeps more than is needed; a smaller one costs two syncs in a
/// row more often.
pub const LOG_SEGMENT_BYTES: u64 = 64 << 20;

/// Bytes appended from which on they are written without waiting for a sync. Up to so many are
/// copied once more than they would have to be.
pub const LOG_WRITE_BYTES: usize = 1 << 20;

/// Bytes appended that wait in memory while a segment begins. Beyond it, and one entry, who appends
/// waits for the disk: two syncs.
pub const LOG_BUFFER_BYTES_MAX: usize = 16 << 20;

/// Bytes read at once when a log is replayed or walked. Held once for each log, beside one entry.
pub const LOG_READ_BYTES: usize = 1 << 20;

/// Segments that are open files at once: the two that are synced, and a few that are read.
pub const LOG_FILES_OPEN_MAX: usize = 8;

const _: () = assert!(LOG_RECORD_BYTES_MAX < 1 << 31);
// A checkpoint: the ring and the fields of its entries, the roster with its cursors, what is kept for
// joiners, the validation.
const _: () = assert!(
    RING_BYTES_MAX
        + RING_ENTRIES_MAX * 128
        + ROSTER_MAX * (DEVICE_ID_BYTES + 16)
        + ENCLOSURES_BYTES_MAX
        + LEVEL_BYTES_MAX
        < LOG_RECORD_BYTES_MAX
);
// A message that adds: itself, its change, its enclosures, the validation after it.
const _: () = assert!(FRAME_BYTES_MAX + LEVEL_BYTES_MAX < LOG_RECORD_BYTES_MAX);
const _: () = assert!(LOG_WRITE_BYTES <= LOG_BUFFER_BYTES_MAX);

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
/// A server's settings may say another time, up to [`DRAIN_SETTING_MAX`].
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Longest drain that can be set: who waits longer than this for members wants no restart.
pub const DRAIN_SETTING_MAX: Duration = Duration::from_secs(600);

/// Longest time for a hello that can be set: a stranger's connection costs some tens of KiB until
/// then.
pub const HELLO_SETTING_MAX: Duration = Duration::from_secs(60);

/// Most bytes of bodies that a shard can be set to keep.
pub const SHARD_RING_BYTES_SETTING_MAX: usize = 1 << 40;

/// Most messages that a shard can be set to keep, about 150 bytes each besides the body.
pub const SHARD_RING_ENTRIES_SETTING_MAX: usize = 1 << 30;

/// Highest core that a thread can be pinned to: as many as the kernel's set of them has.
pub const CORE_MAX: usize = 1_023;

/// Largest file of settings in bytes. The whole one, with every explanation, is some kilobytes; the
/// bound keeps a mistyped path from being read into memory.
pub const SETTINGS_BYTES_MAX: usize = 256 << 10;

const _: () = assert!(SHARD_RING_BYTES_MAX <= SHARD_RING_BYTES_SETTING_MAX);
const _: () = assert!(SHARD_RING_ENTRIES_MAX <= SHARD_RING_ENTRIES_SETTING_MAX);

/// Connections to the metrics page at once. Each costs about 20 KiB; of more, the oldest is dropped.
pub const HTTP_CONNECTIONS_MAX: usize = 32;

/// Largest head of a request to the metrics page in bytes; a monitor's is a few hundred. The least
/// that hyper takes.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 << 10;

/// How long a connection to the metrics page may take from its start to the end of its answer.
pub const HTTP_REQUEST_MAX: Duration = Duration::from_secs(5);
