//! How often secrets may be guessed from one network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// An instructor who has forgotten the password tries a few; a program tries thousands.
const PASSWORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// A whole class opens its links at once, from behind one address.
const LINKS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// Networks that are remembered before those at rest are forgotten.
const MOST_NETWORKS: usize = 10_000;
const RETRY_AFTER_SECONDS: &str = "60";

/// What may be guessed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    AdminPassword,
    JoinLink,
}

/// Counts attempts by network.
pub struct Attempts {
    passwords: DefaultKeyedRateLimiter<IpAddr>,
    links: DefaultKeyedRateLimiter<IpAddr>,
}

/// There were too many attempts: answered 429.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Default for Attempts {
    fn default() -> Self {
        Self {
            passwords: RateLimiter::keyed(Quota::per_minute(PASSWORDS_PER_MINUTE)),
            links: RateLimiter::keyed(Quota::per_minute(LINKS_PER_MINUTE)),
        }
    }
}

impl Attempts {
    /// Counts an attempt of whoever sent the request.
    pub fn count(&self, secret: Secret, parts: &Parts) -> Result<(), TooMany> {
        let network = network_of(&parts.extensions, &parts.headers);
        let limiter = match secret {
            Secret::AdminPassword => &self.passwords,
            Secret::JoinLink => &self.links,
        };
        if limiter.len() > MOST_NETWORKS {
            limiter.retain_recent();
        }
        limiter.check_key(&network).map_err(|_| {
            tracing::warn!(%network, ?secret, "too many attempts: refused for a minute");
            TooMany
        })
    }
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        let words = "Too many tries from your network. Wait a minute, then go back and try again.\n";
        (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)], words).into_response()
    }
}

/// Who sent the request. A reverse proxy, which sits on this machine or in its private network,
/// says for whom it asks, last; from anywhere else the header is anybody's word.
fn client(extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer =
        peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical());
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let named = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    named.filter(|_| is_nearby(peer)).unwrap_or(peer)
}

/// Whether the address is this machine's or of a private network.
pub(crate) fn is_nearby(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// The network of whoever sent the request.
pub(crate) fn network_of(extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    network(client(extensions, headers))
}

/// One customer has a whole /64 of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(peer: &str, forwarded: Option<&str>) -> Parts {
        let mut request = Request::builder().uri("/join/x");
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        parts
    }

    fn client_of(peer: &str, forwarded: Option<&str>) -> String {
        let parts = parts(peer, forwarded);
        client(&parts.extensions, &parts.headers).to_string()
    }

    #[test]
    fn only_a_proxy_nearby_says_for_whom_it_asks() {
        assert_eq!(client_of("203.0.113.5", None), "203.0.113.5");
        assert_eq!(client_of("203.0.113.5", Some("198.51.100.1")), "203.0.113.5", "anybody's word");
        assert_eq!(client_of("127.0.0.1", Some("198.51.100.1")), "198.51.100.1");
        assert_eq!(client_of("172.18.0.2", Some("1.1.1.1, 198.51.100.1")), "198.51.100.1", "the proxy's own");
        assert_eq!(client_of("127.0.0.1", Some("rubbish")), "127.0.0.1");
        assert_eq!(client_of("::ffff:10.0.0.1", Some("2001:db8::1")), "2001:db8::1");
    }

    #[test]
    fn guessing_ends_for_the_network_that_guesses() {
        let attempts = Attempts::default();
        let tries = |peer: &str| attempts.count(Secret::AdminPassword, &parts(peer, None));
        for _ in 0..PASSWORDS_PER_MINUTE.get() {
            assert_eq!(tries("203.0.113.5"), Ok(()));
        }
        assert_eq!(tries("203.0.113.5"), Err(TooMany));
        assert_eq!(tries("203.0.113.6"), Ok(()), "others go on");
        assert_eq!(attempts.count(Secret::JoinLink, &parts("203.0.113.5", None)), Ok(()), "so do its links");
    }

    #[test]
    fn all_of_a_customers_ipv6_is_one_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
