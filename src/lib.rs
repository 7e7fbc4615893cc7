//! Stentor: a delivery service for Messaging Layer Security, and a load engine that tells the truth about it.
//!
//! The service orders what the members of an MLS group (RFC 9420) send and hands it to every
//! member, over QUIC. The engine plays the members, minted beforehand or alive, and reports what
//! they saw.
//!
//! A delivery service cannot beat one hash lookup, one append and one sealed packet per member.
//! Whatever is spent above that is ours to explain or remove.
//!
//! # Four absences
//!
//! 1. [`delivery`] and [`wire`] know no time, no thread, no socket, no file. `now` and bytes are
//!    arguments.
//! 2. The server's side ([`validation`], [`engine`], [`log`], [`server`]) and the clients' side
//!    ([`mls`], [`load`]) never name each other. They meet in `wire`, [`net`] and delivery's nouns,
//!    so the generator cannot cheat.
//! 3. Nothing in `delivery` serialises. Frames, log entries and records are separate types; each
//!    can change alone.
//! 4. No acknowledgement and no fan-out leaves a shard before the entry it rests on is as durable
//!    as its log promises.
//!
//! The first three are held by a table in `tests/layers.rs` and a list in `.clippy.toml`, the
//! fourth by the tests of `engine`.
//!
//! # How a commit flows
//!
//! ```text
//! datagrams     net        recvmmsg, QUIC: a session's stream yields bytes
//! frame         wire       Inbox, Request: whole frames; the header of the MLSMessage in one of
//!                          them names group, epoch and kind
//! owner         server     the shard that the group hashes to; another than the session's is
//!                          reached by one ring entry per batch
//! handshake     validation as closely as the group's level says: is the leaf the submitter's, is the
//!                          commit one that members will take?
//! decision      delivery   Shard::handle: is the epoch the current one, is the sender a member?
//!                          The first commit wins and opens the next epoch; every other learns
//!                          the epoch and who won
//! log           engine     each decision about a durable group is one entry; what came while the disk
//!                          synced shares its next sync. Outputs leave when theirs is synced
//! fan-out       server     the frame is encoded once: the same bytes for every member. Each shard
//!                          with members of the group gets it once
//! cursors       delivery   Audience: each member drains the same ring as fast as its stream takes
//! datagrams     net        packets of many members in one sendmmsg, those of one in one train
//! ```
//!
//! What a commit encloses is accepted or lost with it. Its Welcome stays with the group until the
//! shards of the added devices have taken it apart and hold each one's part, and there until the
//! device has collected it.
//!
//! A member that falls behind costs the others nothing: it is caught up from the ring, then told
//! to resynchronise, then closed. A submission repeated under its message id gets the first
//! answer again.
//!
//! # Layers, bottom first
//!
//! | Module | What it is |
//! |---|---|
//! | [`limits`] | every bound, its reason and its cost |
//! | [`clock`] | the only reader of system time |
//! | [`units`] | quantities as people write them: `30s`, `64KiB`, `200/s`. Pure |
//! | [`place`] | where in a file that people write a mistake stands. Pure |
//! | [`process`] | what the kernel says of this process and machine |
//! | [`delivery`] | what a delivery service decides: epochs, order, roster, cursors. Pure |
//! | [`wire`] | bytes to delivery's nouns and back: MLSMessage headers, client frames. Pure |
//! | [`validation`] | what a handshake must be, at each of three levels. No clock, no file, no thread |
//! | [`log`] | append, sync, the durable watermark, replay. Knows bytes, not groups |
//! | [`engine`] | decide, append, sync, release |
//! | [`net`] | QUIC on one thread: quinn-proto driven directly. Serves both sides |
//! | [`floor`] | what a delivery costs at least on this machine: sealing, sending, hearing back |
//! | [`server`] | shards, the rings between them, sessions, authentication, shutdown |
//! | [`operation`] | what an operator's tools read over HTTP: counters, readiness |
//! | [`mls`] | the members' side of MLS: suites, minted tapes, members that check them |
//! | [`load`] | the open-loop engine: scenario, schedule, workers, recorder, oracle |
//! | [`survival`] | members of a service that is killed and comes back, and what they were promised |
//! | [`report`] | the record of a run, its verdict, its text |
//! | [`suites`] | cipher suites side by side: which there are, what each costs a client |
//! | [`campaign`] | several runs as one result: load curves, capacity, contention, plans |
//! | [`peers`] | the systems a user would pick instead, on the same work in one run |
//! | [`cli`] | one file per sub-command; the only module that prints |
//!
//! A module names only modules above it in this table, and of those only the ones that
//! `tests/layers.rs` allows.
//!
//! # Threads
//!
//! A shard is one thread, one UDP socket, one QUIC endpoint and the groups it owns. A group lives
//! on one shard, so the epoch check is a compare, not a lock; nothing hot is shared. A load worker
//! is the same driver from the other side, with thousands of members. Neither paces itself by an
//! asynchronous runtime: deadlines are absolute and on the thread's own loop. A log on disk has a
//! thread that only syncs. Tokio waits for signals and answers an operator's tools on the main
//! thread, and rayon mints and checks MLS material.
//!
//! # Honesty of a run
//!
//! The schedule is open: when the k-th message is due is a pure function, and a slow answer delays
//! nothing. Latency is three histograms, never one: *response* runs from the intended instant,
//! *service* from the actual send, *lateness* is the generator's own.
//!
//! An oracle follows every delivery while it measures: loss, forks, order, what came to whom it
//! was not for. A member that goes away is owed what it misses as any other is, and so is one that
//! reads slowly; but fan-out is of the members that are there and read at once, and how long the
//! others take is told apart. Then a run has one verdict: *violated* if the oracle saw the contract
//! broken, else *invalid* if the numbers describe anything but the service, the generator above all,
//! else *valid*. How good the numbers are has no part in it.
//!
//! Exit codes: 0 valid, 1 usage or environment, 2 invalid, 3 violated, 99 valid but a
//! threshold does not hold.
//! A comparison of [`peers`] has no schedule and no verdict: 2 is a contestant that failed.
//! A plan has none either: 2 is something that no record says.
//!
//! # Security
//!
//! Who is trusted with what:
//!
//! - The service sees headers and sizes, who sends and who receives, when, from which address, and
//!   who is in which group; never plaintext. It can withhold and reorder, which members notice; it
//!   cannot forge or read.
//! - Whoever holds a token key can be any device towards the service, and is its operator. A token
//!   is its device's until it expires, and so is a session that was opened with it.
//! - A client trusts one certificate by its fingerprint: no names, no authorities. A server may be
//!   told to talk only to clients whose certificate an authority has signed (`serve --client-ca`);
//!   they need a token all the same.
//! - Where handshakes are ordered opaquely, roster changes are declared by the member who submits
//!   the commit. One that lies about them can cut off whom it says it removed, or let a stranger
//!   drain ciphertext; it gains no key.
//! - Any device may claim a KeyPackage of any other, and fetch the GroupInfo of any group whose id
//!   it knows, at a bounded rate. Whose a KeyPackage is, its claimer verifies (RFC 9420 §10.1).
//! - A Welcome goes to the devices that its commit adds, if it is for a KeyPackage that was handed
//!   out of theirs. Whether it lets them in, the service cannot see.
//!
//! What the service cannot check, whatever a group's level: the membership tag and the confirmation
//! tag of a message, that the ciphertexts of an update path decrypt, that a PSK is there, that a
//! Welcome says what it should (RFC 9420 §6.2, §12.4). So a malicious member can still make members
//! disagree (RFC 9420 §16.12); they notice, and have to remove it. At level `public` an external
//! commit (RFC 9420 §12.4.3.2) lets any device that knows a group's id and its GroupInfo join it, or
//! end an epoch in the attempt: who may is a policy, and the service has none but everybody. The
//! other levels take no external commits. Of a PrivateMessage handshake it
//! sees group, epoch, kind and size alone.
//!
//! What attacks meet; each bound is in [`limits`], most can be set, in [`server::settings`]:
//!
//! | Attack | What happens | Where |
//! |---|---|---|
//! | garbage datagrams | dropped, no state | `net::driver` |
//! | handshakes from addresses that are not one's own | above 1,024 under way an address is proved first (Retry), which costs no memory | `net::admission` |
//! | half-open handshakes | freed after 5 s, silently; 256 of one network, 4,096 in all | `net::admission` |
//! | thousands of connections | refused above 4,096 of one network, and in all; loopback counts as none | `net::admission` |
//! | connections that never say hello | closed after 10 s as not authenticated; they fill 16 KiB until then | `server::worker`, `net::transport` |
//! | a wrong, foreign or expired token | connection closed: bad token, expired token | `wire::token`, `server::requests` |
//! | a stolen token key | `stentor token rotate --keep 0` and SIGHUP: no token so far opens a session | `cli::token` |
//! | too many sessions | refused by name, the connection goes on | `server::requests` |
//! | a frame, message, roster or id over its bound | refused by its length, before it is there; connection closed | `wire::inbox`, `wire::decode` |
//! | long frames that are never ended | room for them comes from one budget, in turn; closed as too slow after 60 s | `server::room` |
//! | a reader that takes nothing | told to resynchronise twice, closed after 30 s, whatever it attaches to meanwhile; answers unread stop its requests | `delivery::audience`, `server::fanout` |
//! | requests faster than answers | requests are left unread | `server::session` |
//! | messages or commits at a flood's rate | told when to come back, by device and by group | `delivery::rates` |
//! | draining another's KeyPackages, or fetching GroupInfos | bounded for each who asks; the KeyPackage of last resort stays | `delivery::joining` |
//! | winning every epoch | an epoch is reserved for who has lost three, briefly | `delivery::fairness` |
//! | pretending to lose | each reservation not used doubles what the next one takes | `delivery::fairness` |
//! | proposals without end | 1,024 an epoch; each has to be committed by somebody | `delivery::group` |
//! | a replayed commit | its epoch is closed; under its own id the first answer again, to its author | `delivery::shard` |
//! | a foreign group | not a member; nothing more is said, but at level `public` the epoch, to whoever offers to join | `delivery::group` |
//! | group or device ids made to collide | found by a keyed hash | `delivery::slots` |
//! | one shard flooding another | questions and decisions cross on rings of their own, both bounded | `server::mesh` |
//!
//! What a connection costs at most, beside the groups it makes and the two budgets of unfinished
//! frames (twice `INBOX_BYTES_MAX`: a buffer grows by doubling) and of kept messages:
//! [`limits::STRANGER_BYTES_MAX`] before a device has authenticated, [`limits::DEVICE_BYTES_MAX`]
//! with one that has, and for each further session on it about 200 KiB more.
//!
//! Known gaps: whoever holds a token may make groups up to the shard's bound. A dozen devices that
//! send the longest frames slowly make others' long frames wait for a minute; short ones never
//! wait. A device with more sessions than one has a rate on each shard it sends to. A client's
//! certificate is not revoked but by another authority, and a session that was opened under a key
//! that is dropped goes on until its token expires. The load engine shows no certificate. On loopback there
//! is no bound by network unless one is set. A member may declare a roster that is not the group's
//! where the level does not look.

pub mod limits;
pub mod clock;
pub mod units;
pub mod place;
pub mod process;
pub mod delivery;
pub mod wire;
pub mod validation;
pub mod log;
pub mod engine;
pub mod net;
pub mod floor;
pub mod server;
pub mod operation;
pub mod mls;
pub mod load;
pub mod survival;
pub mod report;
pub mod suites;
pub mod campaign;
pub mod peers;
pub mod cli;
#[cfg(test)]
mod tests;
