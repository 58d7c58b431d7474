//! Task payloads as apalis sees them: bytes, taken as they are.
//!
//! Decoding is the handler's: what apalis itself cannot decode ends the consumer,
//! and is delivered to the next one to end it too.

use std::convert::Infallible;

use apalis::prelude::Codec;

#[derive(Debug, Clone, Copy)]
pub(super) struct RawBytes;

impl Codec<Vec<u8>> for RawBytes {
    type Error = Infallible;
    type Compact = Vec<u8>;

    fn encode(&self, payload: &Vec<u8>) -> Result<Vec<u8>, Infallible> {
        Ok(payload.clone())
    }

    fn decode(&self, payload: &Vec<u8>) -> Result<Vec<u8>, Infallible> {
        Ok(payload.clone())
    }
}
