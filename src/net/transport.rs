//! The QUIC settings of both sides, each with its reason.

use std::sync::Arc;

use quinn_proto::{AckFrequencyConfig, IdleTimeout, TransportConfig, VarInt};

use super::meter::Meters;
use crate::limits::{
    CONNECTION_WINDOW_BYTES, IDLE_MAX, KEEP_ALIVE, MTU_BYTES, PACKETS_PER_ACK, SEND_WINDOW_BYTES,
    SERVICE_WINDOW_BYTES, SESSIONS_PER_CONNECTION_MAX, STRANGER_WINDOW_BYTES, STREAM_WINDOW_BYTES,
    STREAMS_INITIAL,
};

/// The service: many connections, each small.
pub(super) fn server(meters: Arc<Meters>) -> Arc<TransportConfig> {
    let mut config = common(meters);
    config.max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_INITIAL));
    config.max_concurrent_uni_streams(VarInt::from_u32(0));
    // A stranger may fill little; the driver's owner opens it when a device has authenticated.
    config.stream_receive_window(VarInt::from_u32(SERVICE_WINDOW_BYTES));
    config.receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES));
    // Half of what a member sends back would be acknowledgements of single packets.
    let mut thinned = AckFrequencyConfig::default();
    thinned.ack_eliciting_threshold(VarInt::from_u32(PACKETS_PER_ACK - 1));
    config.ack_frequency_config(Some(thinned));
    Arc::new(config)
}

/// A member: grants the service one uni stream per session and opens the others itself.
pub(super) fn client(meters: Arc<Meters>) -> Arc<TransportConfig> {
    Arc::new(client_config(meters))
}

fn client_config(meters: Arc<Meters>) -> TransportConfig {
    let mut config = common(meters);
    config.max_concurrent_bidi_streams(VarInt::from_u32(0));
    config.max_concurrent_uni_streams(VarInt::from_u32(SESSIONS_PER_CONNECTION_MAX));
    // A member of a quiet group stays. The side that wants to stay says so, and pays for it.
    config.keep_alive_interval(Some(KEEP_ALIVE));
    config
}

/// A member that lets the service send less on a stream before it has read it.
pub(super) fn client_within(meters: Arc<Meters>, window: u32) -> Arc<TransportConfig> {
    let mut config = client_config(meters);
    config.stream_receive_window(VarInt::from_u32(window));
    Arc::new(config)
}

fn common(meters: Arc<Meters>) -> TransportConfig {
    let mut config = TransportConfig::default();
    config.congestion_controller_factory(meters);
    config.max_idle_timeout(Some(
        IdleTimeout::try_from(IDLE_MAX).expect("a minute fits a variable-length integer"),
    ));
    // The path is known: probing it would cost packets and memory for every member.
    config.mtu_discovery_config(None);
    config.initial_mtu(MTU_BYTES);
    config.stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES));
    config.receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
    config.send_window(SEND_WINDOW_BYTES);
    // One ordered stream carries what matters; round-robin among streams would only cost.
    config.send_fairness(false);
    config.datagram_receive_buffer_size(None);
    config
}
