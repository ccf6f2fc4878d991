//! Taking mail for the relays: claimed from the queue, the most pressing first, and what room is left offered to the
//! fan-out.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, Error, outlet::Outlet, pump::CLASSES, sharing};
use crate::domain::time::Timestamp;
use crate::store::{
    self, Tx,
    claims::{Behind, Claimed},
};

/// While an issue is being fanned out nothing less pressing is begun, or it would slip in wherever the senders are faster;
/// for no longer than this after the issue was made.
const FAN_OUT: Duration = Duration::from_secs(60);

/// So many may be claimed and not settled yet, and a few more of each class that goes before another: a database that is
/// slower than the relays slows them down, instead of leaving a growing pile that is only in memory.
const UNSETTLED: usize = 5_000;
const MORE: usize = 500;

/// Claims go on behind the last one for so long, or until some mail was queued again here; then from the start.
const ANEW: Duration = Duration::from_millis(500);

/// What one claim leaves to the next.
#[derive(Debug, Default)]
pub struct Claims {
    /// A claim failed in a way that leaves open whether it stands.
    unsure: bool,
    /// The last of each class. What was claimed leaves dead entries in PostgreSQL's index, which each claim from the start
    /// goes through again.
    behind: [Behind; CLASSES.len()],
    /// When they last went from the start.
    anew: Option<Timestamp>,
}

impl Claims {
    /// Goes from the start where it is time for that, and tells whether it does.
    fn begin(&mut self, requeued: bool, now: Timestamp) -> bool {
        let anew = requeued || self.anew.is_none_or(|at| now.since(at) >= ANEW || at > now);
        if anew {
            self.behind = Default::default();
            self.anew = Some(now);
        }
        anew
    }
}

/// What a claim came to.
pub struct Claim {
    pub claimed: Vec<Claimed>,
    /// It went through the whole queue.
    pub whole: bool,
    /// There is more of this priority than room, or it is still being fanned out: nothing less pressing is begun.
    pub floor: Option<i64>,
}

impl Engine {
    /// Claims what the relays have room for, the most pressing first. Where there is more of a class than room, or an
    /// issue of it is still being fanned out, nothing less pressing is claimed or begun. None where nothing has room.
    pub(super) async fn claim(&self, now: Timestamp) -> Result<Option<Claim>, Error> {
        let dry: Vec<bool> = self.outlets.iter().map(Outlet::ran_dry).collect();
        for (relay, outlet) in self.outlets.iter().enumerate() {
            let wanted = dry.iter().enumerate().any(|(other, dry)| *dry && other != relay);
            outlet.adapt(wanted, now);
        }
        let has_room = CLASSES.iter().any(|class| sharing::total(&self.shares(*class, None, now)) > 0);
        if !has_room || !self.may_send() {
            self.cx.handover.offer(self.node, BTreeMap::new());
            return Ok(None);
        }
        let mut claims = self.claiming.lock().await;
        let whole = claims.begin(self.requeued.swap(false, Ordering::SeqCst), now);
        let mut tx = self.cx.db.begin().await?;
        self.let_go_of_doubtful(&mut claims, &mut tx).await?;
        let mut floor = store::issues::most_pressing_fan_out(&mut tx, now.minus(FAN_OUT)).await?;
        if let Some(floor) = floor {
            // What is held back already stays so until what goes before it is dealt out.
            self.hold_more(floor);
        }
        let mut claimed = Vec::new();
        let mut left = BTreeMap::new();
        let in_flight = self.in_flight.load(Ordering::SeqCst) + self.cx.handover.outstanding();
        for (index, class) in CLASSES.into_iter().enumerate() {
            let before = CLASSES.len() - 1 - index;
            let most = (UNSETTLED + before * MORE).saturating_sub(in_flight + claimed.len());
            let room = sharing::total(&self.shares(class, floor, now)).min(most);
            if room > 0 {
                let limit = i64::try_from(room).unwrap_or(i64::MAX);
                let mut some =
                    store::claims::claim(&mut tx, self.node, limit, class, claims.behind[index]).await?;
                if let Some(last) = some.last() {
                    claims.behind[index] = Behind::of(last);
                }
                if some.len() >= room {
                    floor = floor.map_or(Some(class.1), |floor| Some(floor.min(class.1)));
                } else {
                    left.insert(class.1, room - some.len());
                }
                claimed.append(&mut some);
            }
        }
        self.thread(&mut tx, &mut claimed).await?;
        if let Err(error) = tx.commit().await {
            claims.unsure = true;
            claims.anew = None;
            return Err(error.into());
        }
        self.in_flight.fetch_add(claimed.len(), Ordering::SeqCst);
        self.offer(left);
        Ok(Some(Claim { claimed, whole, floor }))
    }

    /// A claim, or a window of the fan-out, whose commit got no answer may stand in the database; nobody works on it.
    async fn let_go_of_doubtful(&self, claims: &mut Claims, tx: &mut Tx) -> Result<(), Error> {
        claims.unsure |= self.cx.handover.was_doubtful();
        let idle = || self.in_flight.load(Ordering::SeqCst) == 0 && self.cx.handover.shut();
        if claims.unsure && idle() {
            store::deliveries::release(tx, self.node).await?;
            // If this is not committed either, the error says so.
            claims.unsure = false;
        }
        Ok(())
    }

    /// Offers the fan-out the room that the queue left. Several nodes share their work out by the queue.
    fn offer(&self, mut room: BTreeMap<i64, usize>) {
        let outstanding = self.cx.handover.outstanding();
        room.values_mut().for_each(|room| *room = room.saturating_sub(outstanding));
        if self.nodes.load(Ordering::SeqCst) > 1 {
            self.cx.handover.close();
        } else {
            self.cx.handover.offer(self.node, room);
        }
    }
}
