//! What a service manager is told of this process: `sd_notify(3)`, where systemd or another asked for it.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent. That nobody takes a message is no reason to stop serving.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::app::{Manager, News};

/// The service manager.
pub(super) struct Systemd {
    pulse: Option<Duration>,
}

impl Systemd {
    pub(super) fn new() -> Self {
        // Half of the time after which the process is taken for dead.
        let pulse = sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|pulse| !pulse.is_zero());
        Self { pulse }
    }
}

impl Manager for Systemd {
    fn tell(&self, news: News) {
        let sent = match news {
            News::Ready => sd_notify::notify(&[NotifyState::Ready]),
            // Since systemd 253 the time must come along.
            News::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
            News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            News::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    fn pulse(&self) -> Option<Duration> {
        self.pulse
    }
}
