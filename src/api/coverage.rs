//! `coverage`: the figures of the four targets, the lists behind them and the gaps.

mod dto;

use crate::api::extract::{Query, text};
use crate::api::guard::Reader;
use crate::api::page::{Cursor, Limit};
use crate::api::problem::{AnyProblem, ApiError, ContradictionProblem, MissingProblem};
use crate::api::state::ApiState;
use crate::api::time::{Time, window_or_last};
use crate::api::word::{GapKindWord, GapReasonWord};
use crate::coverage::document::{CoverageDocument, TargetsDocument};
use crate::coverage::gap::{GapCursor, GapFilter};
use crate::coverage::list::ListQuery;
use crate::coverage::{self, CoverageError, Selection};
use crate::domain::calendar::Month;
use crate::domain::{DivisionCode, FigureId, Window};
use axum::Json;
use axum::extract::State;
use dto::{CoverageAnswer, FigureListDto, GapPageDto, ListKindWord};
use serde::Deserialize;
use std::time::Duration;

/// The days of the window when none is asked for: whole days and the part of today.
const DEFAULT_DAYS: u32 = 30;
/// The longest window: five years, more than two plans of a governance office.
const MAX_DAYS: u64 = 5 * 366;

/// Which figures.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CoverageQuery {
    /// The division; what the token may see when left out
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// The month, instead of `from` and `to`: its figures of what is known now, also where its report is frozen
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", example = "2026-10")]
    month: Option<String>,
    /// Begin of the window; 30 days before `to` when left out, at most 1830 days before it
    #[param(inline)]
    from: Option<Time>,
    /// End of the window; now when left out
    #[param(inline)]
    to: Option<Time>,
    /// Only these indicators, written with commas; every one when left out. A list needs exactly one
    #[param(pattern = "^[A-Za-z0-9.]{1,30}(,[A-Za-z0-9.]{1,30}){0,39}$", example = "A1,A2.installed.class1")]
    indicator: Option<String>,
    /// Whether the divisions one level below are shown, too
    #[serde(default)]
    children: bool,
    /// Instead of the figures, the members behind one indicator
    #[param(inline)]
    list: Option<ListKindWord>,
    /// Begin the list after this one: `next` of the page before
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    after: Option<Cursor>,
    /// Items per page of a list
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Computes the figures of a division and window, or lists the members behind one of them.
#[utoipa::path(get, path = "/api/v1/coverage", tag = "coverage", params(CoverageQuery),
    responses((status = 200, body = CoverageAnswer), AnyProblem, MissingProblem, ContradictionProblem))]
pub(crate) async fn report(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<CoverageQuery>,
) -> Result<Json<CoverageAnswer>, ApiError> {
    let scope = state.admit(&caller, query.division)?;
    let (window, figures) = (query.window(&state)?, query.figures()?);
    let _turn = state.figures_turn().await?;
    match query.list {
        Some(kind) => {
            let list =
                ListQuery { figure: single(&figures)?, division: scope.division(), window, kind: kind.0 };
            let page = coverage::list(
                &state.inputs().coverage,
                list,
                query.after.map(Cursor::into_text),
                query.limit.count(),
            )
            .await;
            Ok(Json(CoverageAnswer::List(FigureListDto::new(list.figure, &page.map_err(failed)?))))
        }
        None => {
            let selection = if figures.is_empty() { Selection::All } else { Selection::Some(figures) };
            let report =
                coverage::report(&state.inputs().coverage, scope.division(), window, &selection).await;
            let mut document = CoverageDocument::from(&report.map_err(failed)?);
            if !query.children {
                document.children.clear();
            }
            Ok(Json(CoverageAnswer::Report(Box::new(document))))
        }
    }
}

/// Which gaps.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GapQuery {
    /// The division; what the token may see when left out
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")]
    division: Option<DivisionCode>,
    /// Only gaps of this kind
    #[param(inline)]
    kind: Option<GapKindWord>,
    /// Only gaps for this reason
    #[param(inline)]
    reason: Option<GapReasonWord>,
    /// Begin after this gap: `next` of the page before
    #[serde(default, deserialize_with = "text::optional")]
    #[param(value_type = Option<String>,
        pattern = "^[0-9]{1,9} (no_point|not_working|not_measured) ((grid|place) [^\\s\\x00-\\x1f\\x7f-\\x9f]{1,64}|village [0-9]{12})$")]
    after: Option<GapCursor>,
    /// Items per page
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
}

/// Lists villages, grids and places without (working) cover now, most households first.
#[utoipa::path(get, path = "/api/v1/coverage/gaps", tag = "coverage", params(GapQuery),
    responses((status = 200, body = GapPageDto), AnyProblem, MissingProblem))]
pub(crate) async fn gaps(
    State(state): State<ApiState>,
    Reader(caller): Reader,
    Query(query): Query<GapQuery>,
) -> Result<Json<GapPageDto>, ApiError> {
    let scope = state.admit(&caller, query.division)?;
    let snapshot = state.inputs().snapshot.borrow().clone();
    let filter = GapFilter {
        division: scope.division(),
        kind: query.kind.map(|kind| kind.0),
        reason: query.reason.map(|reason| reason.0),
    };
    let context = &state.inputs().coverage;
    let page = coverage::gaps(context, snapshot, filter, query.after, query.limit.count()).await;
    Ok(Json(GapPageDto::new(&page.map_err(failed)?)))
}

/// Shows every indicator with its target and rule, and those that this version does not measure.
#[utoipa::path(get, path = "/api/v1/coverage/targets", tag = "coverage",
    responses((status = 200, body = TargetsDocument), AnyProblem))]
pub(crate) async fn targets(State(state): State<ApiState>, _reader: Reader) -> Json<TargetsDocument> {
    Json(TargetsDocument::from(&*state.inputs().coverage.targets))
}

impl CoverageQuery {
    fn window(&self, state: &ApiState) -> Result<Window, ApiError> {
        let window = self.asked_window(state)?;
        let longest = window.start().plus(Duration::from_secs(MAX_DAYS * 86_400));
        if longest < window.end() {
            return Err(unprocessable(format!("a window is at most {MAX_DAYS} days long")));
        }
        Ok(window)
    }

    fn asked_window(&self, state: &ApiState) -> Result<Window, ApiError> {
        let context = &state.inputs().coverage;
        let now = context.clock.now();
        if let Some(month) = &self.month {
            if self.from.is_some() || self.to.is_some() {
                return Err(ApiError::Unprocessable("give `month`, or `from` and `to`".to_owned()));
            }
            let month: Month = month.parse().map_err(unprocessable)?;
            return context.calendar.month(month).ok_or_else(|| unprocessable("the month is too far away"));
        }
        match (self.from, self.to, context.calendar.last_days(DEFAULT_DAYS, now)) {
            (None, None, Some(last_days)) => Ok(last_days),
            (from, to, _) => {
                window_or_last(from, to, Duration::from_secs(u64::from(DEFAULT_DAYS) * 86_400), now)
            }
        }
    }

    fn figures(&self) -> Result<Vec<FigureId>, ApiError> {
        let texts = self.indicator.iter().flat_map(|texts| texts.split(','));
        texts.map(|text| text.parse().map_err(unprocessable)).collect()
    }
}

fn single(figures: &[FigureId]) -> Result<FigureId, ApiError> {
    match figures {
        [figure] => Ok(*figure),
        _ => Err(unprocessable("a list needs exactly one `indicator`")),
    }
}

fn unprocessable(error: impl ToString) -> ApiError {
    ApiError::Unprocessable(error.to_string())
}

fn failed(error: CoverageError) -> ApiError {
    match error {
        CoverageError::Future => unprocessable(error),
        CoverageError::Store(error) => error.into(),
        CoverageError::Task(error) => ApiError::internal(error),
        CoverageError::Turn(error) => ApiError::internal(error),
    }
}
