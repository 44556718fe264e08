//! Who is connected: how many in all, and how many from one address.
//!
//! At a bound, the connection that has been waiting for its client the longest gives its place to the new one: at the
//! bound of an address one of the same address, at the bound of all one of the address that has the most. So many sockets
//! that do nothing keep nobody out for longer than a moment, their own neighbours behind the address included
//! ([`Meter::replaceable`]).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;

use super::Meter;
use cleanplate_basics::lock;

use crate::limits::block;

/// Connections by address; `None` for those without one.
type Crowd = HashMap<Option<IpAddr>, VecDeque<Arc<Meter>>>;

/// Who is connected.
pub struct Roster {
    all_max: usize,
    per_address_max: usize,
    /// Addresses with any number of connections: each speaks for many clients.
    proxies: Vec<IpNet>,
    here: Mutex<Here>,
}

#[derive(Default)]
struct Here {
    crowd: Crowd,
    all: usize,
}

/// The place of one connection; free when dropped.
pub struct Seat {
    roster: Arc<Roster>,
    address: Option<IpAddr>,
    meter: Arc<Meter>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.lock().remove(self.address, &self.meter);
    }
}

impl Here {
    /// Takes a connection out, unless it had to go before.
    fn remove(&mut self, address: Option<IpAddr>, meter: &Arc<Meter>) {
        let Some(those) = self.crowd.get_mut(&address) else {
            return;
        };
        if let Some(at) = those.iter().position(|other| Arc::ptr_eq(other, meter)) {
            those.remove(at);
            self.all -= 1;
        }
        if those.is_empty() {
            self.crowd.remove(&address);
        }
    }

    /// Sends away the connection of an address that has waited the longest; `false` when none has waited long enough.
    fn make_room(&mut self, address: Option<IpAddr>) -> bool {
        let longest = self.crowd.get(&address).and_then(|those| {
            those
                .iter()
                .filter_map(|meter| Some((meter.replaceable()?, meter)))
                .min_by_key(|(order, _)| *order)
                .map(|(_, meter)| meter.clone())
        });
        if let Some(meter) = &longest {
            meter.evict();
            self.remove(address, meter);
        }
        longest.is_some()
    }

    /// The address with the most connections.
    fn largest(&self) -> Option<IpAddr> {
        let most = self.crowd.iter().max_by_key(|(_, those)| those.len());
        most.and_then(|(address, _)| *address)
    }
}

impl Roster {
    /// An empty roster for so many connections in all and from one address, `proxies` excepted from the latter.
    pub fn new(all_max: usize, per_address_max: usize, proxies: Vec<IpNet>) -> Arc<Roster> {
        Arc::new(Roster {
            all_max,
            per_address_max,
            proxies,
            here: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Here> {
        // Each change keeps count and lists in step before anything can panic.
        lock(&self.here)
    }

    /// A place for a new connection, or none.
    pub fn enter(self: &Arc<Self>, peer: Option<IpAddr>, meter: &Arc<Meter>) -> Option<Seat> {
        let many = peer.is_none_or(|peer| is_within(peer, &self.proxies));
        let address = peer.map(block);
        let mut here = self.lock();
        let same = here.crowd.get(&address).map_or(0, VecDeque::len);
        if !many && same >= self.per_address_max && !here.make_room(address) {
            return None;
        }
        if here.all >= self.all_max {
            let largest = here.largest();
            if !here.make_room(largest) {
                return None;
            }
        }
        here.crowd
            .entry(address)
            .or_default()
            .push_back(meter.clone());
        here.all += 1;
        Some(Seat {
            roster: self.clone(),
            address,
            meter: meter.clone(),
        })
    }
}

/// Whether an address belongs to one of these networks.
pub fn is_within(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Spans;
    use super::super::meter::BEGUN_MIN;
    use super::*;
    use crate::config::UploadTime;

    fn meter() -> Arc<Meter> {
        let span = Duration::from_secs(5);
        Arc::new(Meter::new(Spans {
            head_max: span,
            idle_max: span,
            transfer: UploadTime {
                base: span,
                bytes_per_s_min: 1,
                max: span,
            },
        }))
    }

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_share_and_proxies_have_any() {
        let roster = Roster::new(6, 2, vec!["10.0.0.0/8".parse().unwrap()]);
        let enter = |address| roster.enter(address, &meter());
        let first = enter(at("192.0.2.1")).unwrap();
        let _second = enter(at("192.0.2.1")).unwrap();
        assert!(enter(at("192.0.2.1")).is_none());
        let _other = enter(at("192.0.2.2")).unwrap();
        drop(first);
        let _again = enter(at("192.0.2.1")).unwrap();
        let _proxy: Vec<_> = (0..3).map(|_| enter(at("10.1.2.3")).unwrap()).collect();
        assert!(enter(at("10.1.2.3")).is_none(), "six in all");
        assert_eq!(roster.lock().all, 6);
    }

    #[test]
    fn who_waited_longest_makes_room_and_who_works_does_not() {
        let roster = Roster::new(3, 2, Vec::new());
        let (old, busy) = (meter(), meter());
        let old_seat = roster.enter(at("192.0.2.1"), &old).unwrap();
        let busy_seat = roster.enter(at("192.0.2.1"), &busy).unwrap();
        old.heard();
        busy.working(false);
        assert!(
            roster.enter(at("192.0.2.1"), &meter()).is_none(),
            "too early"
        );
        // Time itself is what gives a place away.
        std::thread::sleep(BEGUN_MIN);
        let newer = roster.enter(at("192.0.2.1"), &meter()).unwrap();
        drop(old_seat);
        assert_eq!(roster.lock().all, 2, "a place is given back once");
        let _far = roster.enter(at("192.0.2.9"), &meter()).unwrap();
        std::thread::sleep(BEGUN_MIN);
        let _last = roster.enter(at("192.0.2.8"), &meter()).unwrap();
        assert_eq!(roster.lock().crowd[&at("192.0.2.1")].len(), 1);
        drop((newer, busy_seat));
        assert_eq!(roster.lock().all, 2);
    }
}
