//! The messages of an invitation.

use super::{line, malformed, narrow};
use crate::peer::{self, InvitationStep};
use base::{ClusterId, Epoch, Error, Result};
use meta::Durability;

const ASK: u32 = 1;
const FOLLOW: u32 = 2;
const FOLLOW_AND_RESUME: u32 = 3;
const LEAVE: u32 = 4;
const FOLLOW_IF_THERE: u32 = 5;

/// See [`peer::Invitation`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Invitation {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(uint32, tag = "3")]
    port: u32,
    #[prost(string, tag = "4")]
    source_database: String,
    #[prost(bytes = "vec", tag = "5")]
    line: Vec<u8>,
    #[prost(uint32, tag = "6")]
    cluster: u32,
    #[prost(string, tag = "7")]
    cluster_name: String,
    #[prost(fixed64, tag = "8")]
    promotion_epoch: u64,
    #[prost(bool, tag = "9")]
    asynchronous: bool,
    #[prost(uint32, tag = "10")]
    step: u32,
}

/// See [`peer::Invited`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Invited {
    #[prost(uint32, tag = "1")]
    cluster: u32,
    #[prost(string, tag = "2")]
    cluster_name: String,
    #[prost(string, optional, tag = "3")]
    verifier: Option<String>,
    #[prost(fixed64, tag = "4")]
    promotion_epoch: u64,
    #[prost(bool, tag = "5")]
    follows: bool,
    #[prost(bool, tag = "6")]
    paused: bool,
}

impl From<peer::Invitation> for Invitation {
    fn from(m: peer::Invitation) -> Self {
        Invitation {
            database: m.database,
            host: m.address.0,
            port: m.address.1.into(),
            source_database: m.source_database,
            line: m.line.0.to_le_bytes().to_vec(),
            cluster: m.cluster.0.into(),
            cluster_name: m.cluster_name,
            promotion_epoch: m.promotion_epoch.to_u64(),
            asynchronous: m.durability == Durability::Async,
            step: match m.step {
                InvitationStep::Ask => ASK,
                InvitationStep::Follow { resume: false, make: false } => FOLLOW_IF_THERE,
                InvitationStep::Follow { resume: false, make: true } => FOLLOW,
                InvitationStep::Follow { resume: true, .. } => FOLLOW_AND_RESUME,
                InvitationStep::Leave => LEAVE,
            },
        }
    }
}

impl TryFrom<Invitation> for peer::Invitation {
    type Error = Error;
    fn try_from(m: Invitation) -> Result<Self> {
        Ok(peer::Invitation {
            database: m.database,
            address: (m.host, narrow(m.port, "port")?),
            source_database: m.source_database,
            line: line(&m.line)?,
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            cluster_name: m.cluster_name,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            durability: if m.asynchronous { Durability::Async } else { Durability::Sync },
            step: match m.step {
                ASK => InvitationStep::Ask,
                FOLLOW => InvitationStep::Follow { resume: false, make: true },
                FOLLOW_AND_RESUME => InvitationStep::Follow { resume: true, make: true },
                FOLLOW_IF_THERE => InvitationStep::Follow { resume: false, make: false },
                LEAVE => InvitationStep::Leave,
                _ => return Err(malformed("step of an invitation")),
            },
        })
    }
}

impl From<peer::Invited> for Invited {
    fn from(m: peer::Invited) -> Self {
        Invited {
            cluster: m.cluster.0.into(),
            cluster_name: m.cluster_name,
            verifier: m.verifier.map(Into::into),
            promotion_epoch: m.promotion_epoch.to_u64(),
            follows: m.follows,
            paused: m.paused,
        }
    }
}

impl TryFrom<Invited> for peer::Invited {
    type Error = Error;
    fn try_from(m: Invited) -> Result<Self> {
        let verifier = m.verifier.map(|text| text.try_into().map_err(|_| malformed("verifier")));
        Ok(peer::Invited {
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            cluster_name: m.cluster_name,
            verifier: verifier.transpose()?,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            follows: m.follows,
            paused: m.paused,
        })
    }
}
