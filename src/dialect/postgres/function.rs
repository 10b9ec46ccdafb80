//! DDL about functions. None of it locks a table.

use minijinja::{Value, context};

use super::names::LONGEST;
use super::shared::is_list;
use crate::dialect::script::Script;
use crate::dialect::{Ddl, qualified, texts};
use crate::error::Error;
use crate::model::{
    Function, FunctionId, FunctionSource, ObjectId, Parallel, Security, Setting, Volatility,
};
use crate::render::Renderer;

pub(super) fn create(function: &Function, renderer: &Renderer) -> Result<Ddl, Error> {
    let mut script = script(function, renderer);
    create_function(&mut script, function, false)?;
    for extension in &function.depends_on_extensions {
        depend(&mut script, function, extension, true)?;
    }
    if function.comment.is_some() {
        comment(&mut script, function)?;
    }
    restore_rights(&mut script, function)?;
    Ok(script.finish())
}

pub(super) fn drop(function: &Function, renderer: &Renderer) -> Result<Ddl, Error> {
    let mut script = script(function, renderer);
    script.add(
        "drop_function.sql",
        context! { function => id(&function.id) },
        None,
    )?;
    Ok(script.finish())
}

pub(super) fn alter(
    before: &Function,
    after: &Function,
    renderer: &Renderer,
) -> Result<Ddl, Error> {
    let mut script = script(after, renderer);
    let mut now = before.id.clone();
    if now.name != after.id.name {
        let context = context! { function => id(&now), new_name => after.id.name.as_str() };
        script.add("rename_function.sql", context, None)?;
        now.name.clone_from(&after.id.name);
    }
    if now.schema != after.id.schema {
        let context = context! { function => id(&now), new_schema => after.id.schema.as_str() };
        script.add("move_function.sql", context, None)?;
    }
    let redefined = redefined(before, after);
    if redefined {
        create_function(&mut script, after, true)?;
    }
    // OR REPLACE keeps owner, rights and comment, and drops the dependencies on extensions.
    for extension in &before.depends_on_extensions {
        if !redefined && !after.depends_on_extensions.contains(extension) {
            depend(&mut script, after, extension, false)?;
        }
    }
    for extension in &after.depends_on_extensions {
        if redefined || !before.depends_on_extensions.contains(extension) {
            depend(&mut script, after, extension, true)?;
        }
    }
    if before.comment != after.comment {
        comment(&mut script, after)?;
    }
    if after.borrows_rights() {
        change_rights(&mut script, before, after)?;
    }
    Ok(script.finish())
}

/// Whether anything differs that only CREATE FUNCTION can say.
fn redefined(before: &Function, after: &Function) -> bool {
    let Function {
        id: _,
        language,
        source,
        security,
        settings,
        volatility,
        parallel,
        leakproof,
        strict,
        clauses,
        cost,
        comment: _,
        owner: _,
        grants: _,
        depends_on_extensions: _,
        seen: _,
    } = before;
    *language != after.language
        || *source != after.source
        || *security != after.security
        || sorted(settings) != sorted(&after.settings)
        || *volatility != after.volatility
        || *parallel != after.parallel
        || *leakproof != after.leakproof
        || *strict != after.strict
        || *clauses != after.clauses
        || cost.to_bits() != after.cost.to_bits()
}

fn sorted(settings: &[Setting]) -> Vec<&Setting> {
    let mut sorted: Vec<&Setting> = settings.iter().collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    sorted
}

fn script<'a>(function: &Function, renderer: &'a Renderer) -> Script<'a> {
    Script::new(renderer, ObjectId::Function(function.id.clone()))
}

/// Every attribute is said: OR REPLACE resets those that are not.
fn create_function(
    script: &mut Script<'_>,
    function: &Function,
    or_replace: bool,
) -> Result<(), Error> {
    let Function {
        id: function_id,
        language,
        source,
        security,
        settings,
        volatility,
        parallel,
        leakproof,
        strict,
        clauses,
        cost,
        comment: _,
        owner: _,
        grants: _,
        depends_on_extensions: _,
        seen: _,
    } = function;
    let (body, library) = match source {
        FunctionSource::Body(body) => (Some(body.as_str()), None),
        FunctionSource::Library { file, symbol } => {
            let library = context! { file => file.as_str(), symbol => symbol.as_str() };
            (None, Some(library))
        }
    };
    let context = context! {
        or_replace,
        function => id(function_id),
        language => language.as_str(),
        volatility => match volatility {
            Volatility::Volatile => "VOLATILE",
            Volatility::Stable => "STABLE",
            Volatility::Immutable => "IMMUTABLE",
        },
        leakproof,
        strict,
        clauses => clauses.iter().map(String::as_str).collect::<Value>(),
        security => match security {
            Security::Invoker => "INVOKER",
            Security::Definer => "DEFINER",
        },
        parallel => match parallel {
            Parallel::Unsafe => "UNSAFE",
            Parallel::Restricted => "RESTRICTED",
            Parallel::Safe => "SAFE",
        },
        cost => exact(*cost),
        settings => settings.iter().map(set).collect::<Value>(),
        body,
        library,
    };
    script.add("create_function.sql", context, None)
}

/// The shortest decimal that reads back as this float4, as a number; without a point where it needs none.
fn exact(cost: f32) -> Value {
    let text = cost.to_string();
    match text.parse::<i64>() {
        Ok(whole) => Value::from(whole),
        Err(_) => Value::from(text.parse().unwrap_or(f64::from(cost))),
    }
}

fn set(setting: &Setting) -> Value {
    let Setting { name, values } = setting;
    // What no identifier can be is written as a literal, which the server quotes itself: nothing, and what it would cut off.
    let are_names = values
        .iter()
        .all(|value| (1..=LONGEST).contains(&value.len()));
    context! {
        name => name.split('.').collect::<Value>(),
        is_list => is_list(name) && are_names && !values.is_empty(),
        values => if values.is_empty() { Value::from([""]) } else { texts(values) },
    }
}

fn depend(
    script: &mut Script<'_>,
    function: &Function,
    extension: &str,
    depends: bool,
) -> Result<(), Error> {
    let context = context! { function => id(&function.id), extension, depends };
    script.add("depends_function.sql", context, None)
}

fn comment(script: &mut Script<'_>, function: &Function) -> Result<(), Error> {
    let context = context! { function => id(&function.id), comment => function.comment.as_deref() };
    script.add("comment_function.sql", context, None)
}

/// Owner and rights, where they were read from a catalog: the owner first, who takes the rights of the one before.
fn restore_rights(script: &mut Script<'_>, function: &Function) -> Result<(), Error> {
    if let Some(owner) = &function.owner {
        own(script, function, owner)?;
    }
    let Some(grants) = &function.grants else {
        return Ok(());
    };
    // Everything off first: PUBLIC may execute what is new, and so may its owner.
    let owner = function.owner.as_deref();
    for grantee in std::iter::once(None).chain(owner.map(Some)) {
        revoke(script, function, grantee)?;
    }
    for grant in grants {
        self::grant(script, function, grant.grantee.as_deref(), grant.grantable)?;
    }
    Ok(())
}

/// From one owner and his rights to another's, where both are known.
fn change_rights(
    script: &mut Script<'_>,
    before: &Function,
    after: &Function,
) -> Result<(), Error> {
    let (Some(old), Some(new)) = (&before.owner, &after.owner) else {
        return Ok(());
    };
    let (Some(had), Some(wanted)) = (before.executors(), after.executors()) else {
        return Ok(());
    };
    let mut has = had;
    if old != new {
        own(script, after, new)?;
        // What the old owner might do the new one may (ALTER FUNCTION … OWNER TO, AclNewOwner in the server).
        if let Some(grantable) = has.remove(&Some(old.as_str())) {
            *has.entry(Some(new)).or_insert(false) |= grantable;
        }
    }
    for (grantee, grantable) in &has {
        // A right without the option is given anew: REVOKE GRANT OPTION is one statement as well, and the template has it.
        let stays = wanted
            .get(grantee)
            .is_some_and(|wanted| wanted >= grantable);
        if !stays {
            revoke(script, after, *grantee)?;
        }
    }
    for (grantee, grantable) in &wanted {
        if has.get(grantee) != Some(grantable) {
            grant(script, after, *grantee, *grantable)?;
        }
    }
    Ok(())
}

fn own(script: &mut Script<'_>, function: &Function, owner: &str) -> Result<(), Error> {
    let context = context! { function => id(&function.id), owner };
    script.add("owner_function.sql", context, None)
}

fn revoke(
    script: &mut Script<'_>,
    function: &Function,
    grantee: Option<&str>,
) -> Result<(), Error> {
    let context = context! { function => id(&function.id), grantee };
    script.add("revoke_function.sql", context, None)
}

fn grant(
    script: &mut Script<'_>,
    function: &Function,
    grantee: Option<&str>,
    grantable: bool,
) -> Result<(), Error> {
    let context = context! { function => id(&function.id), grantee, grantable };
    script.add("grant_function.sql", context, None)
}

fn id(function: &FunctionId) -> Value {
    qualified(&function.schema, &function.name)
}
