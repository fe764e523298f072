//! Every decision of the controller, as tables: what there is, and what comes of it.

mod build;
mod claims;
mod decide;
mod moves;
mod ownership;
mod placement;
mod replaced;
mod revision;
mod rolling;
mod startup;
mod status;
mod trouble;
mod vanishing;
mod withheld;
