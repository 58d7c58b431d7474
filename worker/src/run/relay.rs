//! Passes a run's events on to the server, in order.
//!
//! An `executed` message waits until its files are with the server, since the editor asks for
//! them at once; everything behind it waits as well, and progress is thinned meanwhile.

use queue::report::{Assignment, LeaseRef};

use super::outputs::Outputs;
use super::relevance::Relevance;
use super::{Run, RunError, unless};
use crate::outbox::{Outbox, Outgoing};
use crate::registry::Stop;

/// A run's events between ComfyUI and the server.
pub struct Relay<'a> {
    run: Run<'a>,
    lease: LeaseRef,
    waiting: Outbox,
}

impl<'a> Relay<'a> {
    pub fn new(run: Run<'a>) -> Self {
        Self { run, lease: run.lease(), waiting: Outbox::default() }
    }

    /// Takes a message of ComfyUI. True if it was the last of the run.
    pub fn take(&self, message: Relevance) -> bool {
        let lease = self.lease;
        match message {
            Relevance::End => return true,
            Relevance::Event(event) => self.waiting.push(Outgoing::Event { lease, event }),
            Relevance::Preview(frame) => self.waiting.push(Outgoing::Preview { lease, frame }),
            Relevance::Nothing => {}
        }
        false
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.waiting.close();
    }

    /// Passes on all that comes until it is closed; returns what was brought to the server. An error
    /// also makes the run stop.
    pub async fn pass_on(&self, assignment: &'a Assignment) -> Result<Outputs<'a>, RunError> {
        let mut outputs = Outputs::new(self.run, assignment);
        while let Some(mut message) = self.waiting.next().await {
            if let Outgoing::Event { event, .. } = &mut message
                && event["type"] == "executed"
                && let Some(node) = event["data"]["node"].as_str()
            {
                let placing = outputs.place(node, &event["data"]["output"]);
                let placed = unless(self.run.handle.stopped_beyond(Stop::Cancelled), placing).await;
                let placed = placed.map_err(RunError::Stopped).flatten();
                match placed {
                    Ok(output) => event["data"]["output"] = output,
                    Err(error) => {
                        if let RunError::Stopped(stop) = error {
                            self.run.handle.request_stop(stop);
                        }
                        return Err(error);
                    }
                }
            }
            self.run.context.link.outbox.push(message);
        }
        Ok(outputs)
    }
}
