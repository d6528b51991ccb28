"""Policy preview: what a policy would change, before it is saved."""

from __future__ import annotations

from litestar import Response, post

from service.api import answers
from service.api.document import whole_param
from service.api.requests import Query, Req, read_json, services
from service.api.sites import POLICY_MAX, own_site, owners_operation
from service.pipeline.policy import check_policy
from service.pipeline.preview import NEWEST, Report
from service.records import Policy


@post(
    "/v1/sites/{site:str}/policy/preview",
    status_code=200,
    request_max_body_size=POLICY_MAX,
    opt=owners_operation(
        "See what a policy would change, and save nothing",
        body=Policy,
        query=(whole_param("limit", "How many comments to look at.", 1, NEWEST, NEWEST),),
        answers={200: Report},
        problems=(400, 401, 403, 404, 413, 415, 422, 503),
        description="Decides the site's newest comments under the policy in force and under this "
        "one, from the facts as they were: how outcomes would change, which human decisions each "
        "policy agrees with, and how many comments it holds. `changes` names up to 100 comments.",
    ),
)
async def preview_policy(request: Req, site: str) -> Response[bytes]:
    """What a policy would change on the site's newest comments."""
    await own_site(request, site)
    limit = Query(request, "limit").whole("limit", NEWEST, 1, NEWEST)
    policy = await read_json(request, Policy)
    check_policy(policy)
    return answers.answer(await services(request).preview.of(site, policy, limit))


ROUTES = (preview_policy,)
