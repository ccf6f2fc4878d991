//! Networks as limits count them and records name them.

use std::net::IpAddr;

/// One IPv4 address, or an IPv6 /64, which is what one household or office has.
pub fn name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
