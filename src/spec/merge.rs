//! What is said for one dialect, laid over what is said for all.

use std::ops::Deref;

use super::{Fields, TriggerSpec};

/// The fields that hold in one dialect.
#[derive(Debug, Clone)]
pub enum Merged<'a> {
    /// Those that are said for all dialects: nothing is said for this one alone.
    Common(&'a Fields),
    /// With what is said for this one.
    Own(Box<Fields>),
}

impl Deref for Merged<'_> {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        match self {
            Self::Common(fields) => fields,
            Self::Own(fields) => fields,
        }
    }
}

impl TriggerSpec {
    /// The fields that hold in `dialect`; `None` where `dialects` leaves it out.
    pub fn for_dialect(&self, dialect: &str) -> Option<Merged<'_>> {
        if !self.is_for(dialect) {
            return None;
        }
        Some(match self.overrides.get(dialect) {
            Some(own) => Merged::Own(Box::new(own.as_ref().clone().over(&self.fields))),
            None => Merged::Common(&self.fields),
        })
    }
}

impl Fields {
    /// These fields, and those of `base` where these say nothing.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        let Self {
            timing,
            events,
            update_of,
            for_each,
            when,
            body,
            description,
            renamed_from,
            bypass,
            enabled,
            constraint,
            referencing,
            function,
            args,
            shared,
            function_name,
            declare,
            security,
            search_path,
            definer,
            enabled_on,
            depends_on_extensions,
            order,
            sql_mode,
            collation,
        } = self;
        // A dialect that calls a function of its own has no use for the body that the others share.
        let shared_body = if function.is_some() {
            None
        } else {
            base.body.clone()
        };
        Self {
            timing: timing.or_else(|| base.timing.clone()),
            events: events.or_else(|| base.events.clone()),
            update_of: update_of.or_else(|| base.update_of.clone()),
            for_each: for_each.or_else(|| base.for_each.clone()),
            when: when.or_else(|| base.when.clone()),
            body: body.or(shared_body),
            description: description.or_else(|| base.description.clone()),
            renamed_from: renamed_from.or_else(|| base.renamed_from.clone()),
            bypass: bypass.or_else(|| base.bypass.clone()),
            enabled: enabled.or_else(|| base.enabled.clone()),
            constraint: constraint.or_else(|| base.constraint.clone()),
            referencing: referencing.or_else(|| base.referencing.clone()),
            function: function.or_else(|| base.function.clone()),
            args: args.or_else(|| base.args.clone()),
            shared: shared.or_else(|| base.shared.clone()),
            function_name: function_name.or_else(|| base.function_name.clone()),
            declare: declare.or_else(|| base.declare.clone()),
            security: security.or_else(|| base.security.clone()),
            search_path: search_path.or_else(|| base.search_path.clone()),
            definer: definer.or_else(|| base.definer.clone()),
            enabled_on: enabled_on.or_else(|| base.enabled_on.clone()),
            depends_on_extensions: depends_on_extensions
                .or_else(|| base.depends_on_extensions.clone()),
            order: order.or_else(|| base.order.clone()),
            sql_mode: sql_mode.or_else(|| base.sql_mode.clone()),
            collation: collation.or_else(|| base.collation.clone()),
        }
    }
}
