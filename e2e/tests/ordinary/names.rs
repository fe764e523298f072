//! Objects of others under names that this database needs, and labels of deployment tools.
