//! What a seat has had of the GPU: all that round robin and fair remember.
//!
//! Fair is deficit round robin (Shreedhar and Varghese, "Efficient fair queueing using
//! deficit round robin", 1995) turned round: in place of a deficit that grows by a quantum
//! a round, each seat has an account of time received, and the smallest account is next.
//! With a quantum near zero both hand out the same turns; this one needs no rounds. The
//! account of a seat that was idle is lifted to the floor, the virtual time of start-time
//! fair queueing (Goyal, Vin and Cheng, 1996): idleness earns no credit.
//!
//! A service changes when a job that executed ends for good, and at no other time. What
//! workers hold is charged by the planner itself, so a job that is recalled, released or
//! lost needs no refund.

use std::time::Duration;

use domain::Priority;

/// One seat's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Service {
    /// Number of the seat's latest job that ended, counted over all seats; 0 before the first.
    pub last_served: u64,
    /// GPU time received, in fair mode's virtual time.
    pub account: Duration,
    /// Fair mode's virtual time when that job was served. The largest of any seat is the queue's.
    pub floor: Duration,
}

/// Where the queue stands: the largest values of any seat, so that rows of seats are all
/// there is to store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VirtualTime {
    pub last_served: u64,
    pub floor: Duration,
}

impl<'a> FromIterator<&'a Service> for VirtualTime {
    fn from_iter<I: IntoIterator<Item = &'a Service>>(services: I) -> Self {
        services.into_iter().fold(Self::default(), |time, service| Self {
            last_served: time.last_served.max(service.last_served),
            floor: time.floor.max(service.floor),
        })
    }
}

impl VirtualTime {
    /// Allows for a seat that executes a job of normal priority now, the ending one included.
    #[must_use]
    pub fn with_executing(self, service: Service) -> Self {
        Self { floor: self.floor.max(service.account), ..self }
    }
}

impl Service {
    /// The seat's service after a job of it executed for `used`.
    #[must_use]
    pub fn after_job(self, time: VirtualTime, priority: Priority, used: Duration) -> Self {
        let start = self.account.max(time.floor);
        // A job that went before its turn says nothing about how far the others are.
        let floor = if priority == Priority::Normal { start } else { time.floor };
        Self { last_served: time.last_served + 1, account: start + used, floor }
    }
}
