"""What is wrong is told to people in the look of the house, and to programs as problem+json."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client, RequestFactory

from config import content_policy
from config.api import problems
from tests import reviewers

pytestmark = pytest.mark.django_db


def _told(answer: Any, status: int, words: str) -> None:
    text = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert words in text
    assert "config/alone.css" in text
    assert re.findall("<script[^>]*>[^<]*", text) == ['<script src="/static/config/alone.js">']
    assert "style=" not in text


def test_what_is_not_there_is_told_to_people_and_to_programs(client: Client) -> None:
    _told(client.get("/nothing/"), 404, "nothing at this address")
    assert client.get("/api/nothing")["Content-Type"] == problems.PROBLEM_JSON
    reviewers.root(client)
    answer = client.get("/admin/nothing/at/all/")
    _told(answer, 404, "nothing at this address")
    assert answer[content_policy.HEADER].startswith("default-src 'none'")


def test_what_is_not_allowed_is_told_with_the_name_of_who_asked(client: Client) -> None:
    answer = reviewers.staff(client).get("/admin/config/user/")
    _told(answer, 403, "<strong>ann</strong>, whose rights do not cover this")


def test_a_form_without_its_token_is_told_to_be_sent_anew() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})
    _told(answer, 403, "form is no longer good")


def test_a_request_that_cannot_be_read_is_told(client: Client) -> None:
    _told(client.get("/admin/", headers={"host": "else where"}), 400, "could not be read")


def test_an_error_of_ours_is_told_without_asking_the_database() -> None:
    _told(problems.server_error(RequestFactory().get("/admin/")), 500, "Something went wrong here")


def test_who_signs_out_is_told_so(client: Client) -> None:
    _told(reviewers.root(client).post("/admin/logout/"), 200, "You are signed out")
