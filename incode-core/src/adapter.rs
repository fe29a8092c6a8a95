//! For the authors of adapters and of `incode-admin`: what carries requests to core and answers back.
//!
//! Public, and not stable: applications use an adapter, which is pinned to one exact version of this crate.
//!
//! An adapter implements [`RequestHead`] over its framework's request and turns a [`Reply`] into its framework's
//! response. It decides nothing:
//!
//! - its layer calls [`Incode::open`](crate::Incode::open) and answers with [`RouteRequest::answer`]; otherwise it calls
//!   [`Incode::visit`](crate::Incode::visit) and puts the [`Visitor`] into the request extensions;
//! - its gate holds a [`GatePolicy`] and calls [`GatePolicy::check`];
//! - where the application finds the user by asynchronous code, the layer asks for it before
//!   [`Incode::open_as`](crate::Incode::open_as) where [`Incode::asks_for_user`](crate::Incode::asks_for_user) says so,
//!   and leaves a [`LazyVisitor`] in the extensions of other requests, which gates and extractors resolve first;
//! - its extractors call [`visitor`], [`active`], [`maybe_active`] and [`satisfies`];
//! - its routes, for a router that refuses conflicts, are those of [`Incode::mounts`](crate::Incode::mounts);
//! - its `builder_from_env` gives an [`Engine`] for each store to
//!   [`Builder::from_settings`](crate::Builder::from_settings).
//!
//! A program beside the application, `incode-id` for one, takes its settings as a [`Deployment`].

pub use crate::app::{
    Deployment, Engine, IdentifiedVisitor, LazyVisitor, OWN_ANSWER_CAP, OWN_ANSWER_HEADERS, OnDemandVisitor, Resolved,
    RouteRequest, StoreUrl, store_keys, unreadable_answer,
};
pub use crate::gate::{
    Active, Denial, FoundUser, GRANTED_CACHE_CONTROL, GatePolicy, IdentifyOutcome, PendingVisitor, Satisfies, Visitor,
    active, maybe_active, satisfies, visitor,
};
pub use crate::http::{Field, Problem, Reply, RequestHead};
