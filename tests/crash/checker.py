# SPDX-License-Identifier: MIT
"""What must hold of a room after any number of crashes, checked against what its people wrote down.

A journal is a stream of events, each a list; the first word says what it is:

    send  USER CLIENT_ID TEXT          about to be sent, for the first time
    ack   USER CLIENT_ID ID
    got   READER ID TIME USER TEXT CLIENT_ID
    join  READER EPOCH                 at each welcome
    gap   READER FROM TO
    said  USER TEXT                    by the first protocol, which knows no acks
    heard SESSION OWN_USER USER TEXT   by a session of the first protocol
    left  USER                         half-closed, and the call ended with OK: all of it counts
    wrong WHO TEXT                     something a client was told that it cannot be told

Every reader is one from the beginning of the log to its end, over however many sessions.
"""
import collections


class Checker:
    def __init__(self):
        self.epochs = set()
        self.problems = []
        self.counts = collections.Counter()  # losses, duplicates, disorder, inventions, others
        self.acks = 0
        self._sent = {}  # (user, client id): (its number, text)
        self._numbers = collections.Counter()
        self._acked = {}  # (user, client id): id
        self._said = collections.defaultdict(list)  # user: texts
        self._left = set()
        self._log = {}  # id: (time, user, text, client id), as who got it first was told
        self._readers = {}  # reader: [last id, ids that were passed over]
        self._heard = collections.defaultdict(list)  # (session, own user): [(user, text)]

    def take(self, event):
        getattr(self, f"_take_{event[0]}")(*event[1:])

    def _problem(self, kind, text):
        self.counts[kind] += 1
        if len(self.problems) < 100:
            self.problems.append(f"{kind}: {text}")

    def _take_send(self, user, client_id, text):
        self._numbers[user] += 1
        self._sent[user, client_id] = (self._numbers[user], text)

    def _take_ack(self, user, client_id, id_):
        self.acks += 1
        if self._acked.setdefault((user, client_id), id_) != id_:
            self._problem("duplicates", f"{user}'s {client_id} is acknowledged as {id_} and as "
                                        f"{self._acked[user, client_id]}")

    def _take_got(self, reader, id_, time, user, text, client_id):
        message = (time, user, text, client_id)
        if self._log.setdefault(id_, message) != message:
            self._problem("others", f"{id_} is {message} to {reader}, to others {self._log[id_]}")
        state = self._readers.setdefault(reader, [0, set()])
        if id_ > state[0]:
            state[1].update(range(state[0] + 1, id_))
            state[0] = id_
        elif id_ in state[1]:
            state[1].discard(id_)
            self._problem("disorder", f"{reader} got {id_} after {state[0]}")
        else:
            self._problem("duplicates", f"{reader} got {id_} again")

    def _take_join(self, reader, epoch):
        self._readers.setdefault(reader, [0, set()])
        self.epochs.add(epoch)

    def _take_gap(self, reader, from_id, to_id):
        self._problem("losses", f"a gap for {reader} from {from_id} to {to_id}")

    def _take_said(self, user, text):
        self._said[user].append(text)

    def _take_heard(self, session, own, user, text):
        self._heard[session, own].append((user, text))

    def _take_left(self, user):
        self._left.add(user)

    def _take_wrong(self, who, text):
        self._problem("others", f"{who}: {text}")

    # The end

    def finish(self, head):
        """Everybody has read to this id. Returns the problems."""
        if len(self.epochs) != 1:
            self._problem("others", f"{len(self.epochs)} epochs")
        if set(self._log) != set(range(1, head + 1)):
            self._problem("losses", f"nobody got all ids from 1 to {head}")
        for reader, (last, missing) in self._readers.items():
            missing = missing | set(range(last + 1, head + 1))
            if missing:
                self._problem("losses", f"{reader} did not get {len(missing)}, the first "
                                        f"{min(missing)}")
        self._check_log()
        self._check_acks()
        self._check_seed()
        return self.problems

    def _check_log(self):
        """Each message was sent, and once; each sender's are in his order."""
        seen, order, time = {}, {}, 0
        for id_ in sorted(self._log):
            when, user, text, client_id = self._log[id_]
            if when < time:
                self._problem("disorder", f"the time goes back at {id_}")
            time = when
            key = (user, client_id) if client_id else (user, None, text)
            if key in seen:
                self._problem("duplicates", f"{seen[key]} and {id_} are the same message")
            seen[key] = id_
            if client_id:
                number, sent = self._sent.get((user, client_id), (None, None))
            else:
                number = self._said[user].index(text) if text in self._said[user] else None
                sent = text
            if number is None or sent != text:
                self._problem("inventions", f"{user} never sent {id_}, {text!r}")
            elif number < order.get(user, -1):
                self._problem("disorder", f"{id_} of {user} comes after a later one")
            else:
                order[user] = number

    def _check_acks(self):
        for (user, client_id), id_ in self._acked.items():
            message = self._log.get(id_)
            text = self._sent.get((user, client_id), (0, None))[1]
            if message is None or message[1:] != (user, text, client_id):
                self._problem("losses", f"{user}'s {client_id} was acknowledged as {id_}, "
                                        f"which is {message}")

    def _check_seed(self):
        ids = {(user, text): id_ for id_, (_, user, text, client_id) in self._log.items()
               if not client_id}
        others = {(user, text): id_ for id_, (_, user, text, client_id) in self._log.items()
                  if client_id}
        for user, texts in self._said.items():
            there = [(user, text) in ids for text in texts]
            if user in self._left and not all(there):
                self._problem("losses", f"{user} left with OK, and {there.count(False)} of "
                                        f"{len(texts)} are not there")
            if True in there[there.index(False):] if False in there else False:
                self._problem("losses", f"of what {user} said, something in the middle is missing")
        for (session, own), heard in self._heard.items():
            self._check_heard(session, own, heard, {**others, **ids})

    def _check_heard(self, session, own, heard, ids):
        """A piece of the log without a hole but for what one said oneself."""
        last = None
        for message in heard:
            id_ = ids.get(message)
            if id_ is None:
                self._problem("inventions", f"{session} heard {message}, which nobody else did")
                continue
            if last is not None and id_ <= last:
                kind = "duplicates" if id_ == last else "disorder"
                self._problem(kind, f"{session} heard {id_} after {last}")
            elif last is not None:
                missing = [i for i in range(last + 1, id_)
                           if i in self._log and self._log[i][1] != own]
                if missing:
                    self._problem("losses", f"{session} heard {id_} after {last}, and not "
                                            f"{missing[0]}")
            last = id_
