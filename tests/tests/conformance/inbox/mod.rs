//! Events from acceptance to application, with vendor and store on their bad days.

mod flood;
mod job;
mod reconcile;
mod store;
mod trust;
mod vendor;
mod vendor_late;
