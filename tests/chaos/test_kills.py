"""The judge and the dealer of the chaotic runs can say no."""

import random
from collections import Counter

from tests.chaos.judging import distrusted, table
from tests.chaos.kills import MOST_DEALS, Deck, Kill, all_kills, describe, points
from tests.chaos.playing import Exchange
from tests.s3proxy import Request

ASKED = [("split", "PutObject plan.json"), ("swap-0", "GetObject a"), ("swap-0", "GetObject a"), ("mux", "GetObject b")]


def test_a_part_is_trusted_only_where_it_was_written_with_its_report() -> None:
    committed = Exchange("swap-0.1", "PutObject parts/000000.mkv", 200, reported=True)
    read = Exchange("mux.2", "GetObject parts/000000.mkv", 206)
    assert distrusted([committed, read]) == []
    assert len(distrusted([read, committed])) == 1
    bare = Exchange("swap-0.1", "PutObject parts/000000.mkv", 200)
    assert len(distrusted([bare])) == 1
    assert len(distrusted([bare, read])) == 2
    other = Exchange("swap-0.1", "PutObject parts/000001.mkv", 200, reported=True)
    assert len(distrusted([other, read])) == 1
    refused = Exchange("swap-0.1", "PutObject parts/000000.mkv", 503, reported=True)
    assert len(distrusted([refused, read])) == 1


def test_there_is_a_kill_before_and_after_every_request() -> None:
    found = points(ASKED)
    assert [point.nth for point in found] == [1, 1, 2, 1]
    kills = all_kills(found, random.Random(0))
    for point in found:
        assert {kill.moment for kill in kills if kill.point == point and kill.victim == "stage"} == {"before", "after"}
    assert "split, at a random moment" in {kill.phase for kill in kills}
    assert "store, before a request of swap" in {kill.phase for kill in kills}


def test_each_phase_is_dealt_first_and_what_is_left_over_comes_again() -> None:
    kills = all_kills(points(ASKED), random.Random(0))
    deck = Deck(kills, random.Random(1))
    first = deck.draw(len(deck.phases))
    assert {kill.phase for kill in first} == set(deck.phases)
    late: Kill = first[0]
    for _ in range(MOST_DEALS - 1):
        deck.put_back([late], done=())
        assert deck.draw(1) == [late]
    deck.put_back([late], done=())
    assert deck.draw(1) != [late]


def test_a_request_has_the_same_name_in_each_run() -> None:
    key = "scratch/tests/run7/0123456789ab/parts/000002-0123456789abcdef.mkv"
    request = Request(1, "PUT", "recast", key, {}, {}, b"")
    assert describe(request, "run7") == "PutObject parts/000002.mkv"
    listing = Request(1, "GET", "recast", "", {"list-type": "2", "prefix": "out/run7.mkv"}, {}, b"")
    assert describe(listing, "run7") == "ListObjects out/JOB.mkv"


def test_the_report_names_phases_without_a_kill() -> None:
    tally = {"split, at a random moment": 2}
    assert table(Counter(tally), ["mux"]).splitlines()[0].split() == ["0", "mux"]
