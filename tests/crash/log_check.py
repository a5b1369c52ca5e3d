# SPDX-License-Identifier: MIT
"""The second opinion: log.db itself, read with sqlite3, against the acknowledgements.

Shares nothing with checker.py, on purpose, and looks at no message that a client received.
"""
import os
import sqlite3


def check(state, events):
    """What is wrong with the log in a state directory after the journal of these events."""
    db = sqlite3.connect(f"file:{os.path.join(state, 'log.db')}?mode=ro", uri=True)
    try:
        wrong = [f"SQLite says {row[0]}" for row in db.execute("PRAGMA integrity_check")
                 if row[0] != "ok"]
        rows = db.execute("SELECT id, user, text, client_id FROM messages").fetchall()
        next_id = db.execute("SELECT next_id FROM log").fetchall()
    finally:
        db.close()
    by_id = {row[0]: row[1:] for row in rows}
    if next_id != [(len(rows) + 1,)]:
        wrong.append(f"{len(rows)} messages, and the next id is {next_id}")
    holes = [id_ for id_ in range(1, len(rows) + 1) if id_ not in by_id]
    wrong += [f"there is no {id_}" for id_ in holes]
    sources = {tuple(row[1:]) for row in rows}
    if len(sources) != len(rows):
        wrong.append(f"{len(rows) - len(sources)} messages are there twice")
    texts = {}
    for event in events:
        if event[0] == "send":
            texts[event[1], event[2]] = event[3]
        elif event[0] == "said":
            texts[event[1], "", event[2]] = event[2]
    for id_, (user, text, client_id) in by_id.items():
        key = (user, client_id) if client_id else (user, "", text)
        if texts.get(key) != text:
            wrong.append(f"{id_}: nobody sent {user}: {text}")
    for event in events:
        if event[0] == "ack":
            _, user, client_id, id_ = event
            if by_id.get(id_) != (user, texts.get((user, client_id)), client_id):
                wrong.append(f"{id_} was acknowledged to {user} as {client_id} and is "
                             f"{by_id.get(id_)}")
    return wrong
