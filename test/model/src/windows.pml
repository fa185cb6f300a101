/*
 * Windows (docs/PROTOCOL.md, "Flow control" and "Relays"), as libs/tunnel has them: one direction of one stream over one
 * relay, and then over another. Names are those of the code.
 *
 *     sender ══ DATA ══► relay of path p ══ DATA ══► receiver
 *            ◄═ CREDIT ═                 ◄═ CREDIT ═          N runs from end to end, M belongs to the path
 *
 * Each way delivers at its own pace; a byte is a unit. Budgets give what they like: what a window
 * asks for above its floor it gets, or none of it, each time anew. RESUMES times the receiver moves to another path, at any
 * moment; frames of the former come late, or never, which is later still.
 *
 * Invariants:
 *   LAWFUL    nobody sends above the limit that the next hop has given on this path, so nothing that was given for a former
 *             path is used on another; nobody acknowledges what was not sent
 *   HELD      what a relay or the receiver holds, and may still be sent, was taken from its budget: nothing is given twice
 *   GOES ON   while the receiver delivers, all bytes come, and their acknowledgement: no order of events ends elsewhere
 *
 * Left out: FIN, the other direction, budgets of several streams, times (a window grows or not, as it likes).
 * BROKEN_… makes the mistake of that name; each must be found.
 */
#ifndef BYTES
#define BYTES 5
#endif
#ifndef RESUMES
#define RESUMES 1
#endif

#define PATHS (RESUMES + 1)
#define FLOOR 1
#define FIRST 2
#define RECEIVER 0
#define RECEIVER_MAX 4
#define RELAY(p) (1 + (p))
#define RELAY_MAX 3
#define ROOM 3

mtype = { OPENED, RESUMED, CREDIT };

/* DATA on the way, in bytes; what runs against it: OPENED and RESUMED with (received, M), CREDIT with (N, M). */
byte toRelay[PATHS], toReceiver[PATHS];
chan fromReceiver[PATHS] = [ROOM] of { mtype, byte, byte };
chan fromRelay[PATHS] = [ROOM] of { mtype, byte, byte };

/* ReceiveWindow */
typedef Window {
  byte received, delivered, limit, acknowledged, reserved, window;
  bool creditDue
};
Window window_[1 + PATHS];
#define MAX(w) ((w) == RECEIVER -> RECEIVER_MAX : RELAY_MAX)
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define DUE(w) \
  (window_[w].delivered > window_[w].acknowledged && \
   2 * (window_[w].limit - window_[w].delivered) <= window_[w].limit - window_[w].acknowledged)

/* SendingPart: what it may keep is the floor where the process's budget is out. */
byte path = 0, next = 0, sentMax = 0, acknowledged = 0, limit = FLOOR, keeps;
/* The receiver: its stream is taken, and by which path it has moved. */
bool accepted = false;
byte at = 0;
/* RelaySide: what the receiver lets it send, what it has let the sender send, what was acknowledged. */
byte farLimit[PATHS], granted[PATHS], passed[PATHS];

/* Budget.takeUpTo: it has none of it, or all. */
inline take(w, most) {
  if
  :: true
  :: window_[w].reserved = window_[w].reserved + most
  fi
}

/* ReceiveWindow.#raise */
inline raise(w, from) {
  if
#ifdef BROKEN_TWICE
  :: window_[w].reserved > FLOOR -> window_[w].reserved = FLOOR;
#else
  :: window_[w].limit - window_[w].delivered < window_[w].reserved ->
    window_[w].reserved = window_[w].limit - window_[w].delivered;
#endif
    if
    :: window_[w].reserved < FLOOR -> window_[w].reserved = FLOOR
    :: else
    fi
  :: else
  fi;
  if
  :: from + window_[w].window > window_[w].delivered + window_[w].reserved ->
    take(w, from + window_[w].window - window_[w].delivered - window_[w].reserved)
  :: else
  fi;
  top = MIN(from + window_[w].window, window_[w].delivered + window_[w].reserved);
  if
  :: top > window_[w].limit -> window_[w].limit = top
  :: else
  fi;
  top = 0
}

/* ReceiveWindow.renew: it grows where it was used up fast. */
inline renew(w) {
  if
  :: DUE(w) && window_[w].window < MAX(w) -> window_[w].window = MIN(2 * window_[w].window, MAX(w))
  :: true
  fi;
  raise(w, window_[w].delivered)
}

/* ReceiveWindow.startAt */
inline startAt(w, offset) {
  window_[w].received = offset;
  window_[w].delivered = offset;
  window_[w].acknowledged = offset;
  window_[w].limit = offset;
  raise(w, offset)
}

/* ReceiveWindow.restart: what was not delivered is in memory still, and counts on. */
inline restart(w) {
  window_[w].reserved = FLOOR;
  if
  :: window_[w].received > window_[w].delivered + FLOOR ->
    take(w, window_[w].received - window_[w].delivered - FLOOR)
  :: else
  fi;
  window_[w].limit = window_[w].received;
  raise(w, window_[w].received)
}

/* RelaySide.#grant */
inline grant(p) {
  if
  :: DUE(RELAY(p)) ->
    renew(RELAY(p));
    window_[RELAY(p)].acknowledged = window_[RELAY(p)].delivered
  :: else
  fi;
#ifdef BROKEN_UNLOWERED
  top = farLimit[p];
#else
  top = MIN(farLimit[p], window_[RELAY(p)].limit);
#endif
  granted[p] = (top > granted[p] -> top : granted[p]);
  top = 0
}

/* Both ends have left a path: what is there is of no more meaning, and makes fewer states. */
inline forget(former) {
  toRelay[former] = 0;
  do
  :: fromReceiver[former]?_, _, _
  :: empty(fromReceiver[former]) -> break
  od;
  do
  :: fromRelay[former]?_, _, _
  :: empty(fromRelay[former]) -> break
  od;
  window_[RELAY(former)].received = 0;
  window_[RELAY(former)].delivered = 0;
  window_[RELAY(former)].limit = 0;
  window_[RELAY(former)].acknowledged = 0;
  window_[RELAY(former)].reserved = 0;
  window_[RELAY(former)].window = 0;
  window_[RELAY(former)].creditDue = false;
  farLimit[former] = 0;
  granted[former] = 0;
  passed[former] = 0
}

#define HOLDS(w) (window_[w].received - window_[w].delivered)

/* The sender: SendingPart.writeTo */
proctype Sender() {
end:
  do
  :: d_step {
      next < BYTES && next < limit && next - acknowledged < keeps ->
      toRelay[path]++;
      next++;
      sentMax = (next > sentMax -> next : sentMax)
    }
  od
}

/* A path: its relay, and what arrives at both ends by it. */
proctype Path(byte p) {
  byte top = 0, one = 0, two = 0;
  mtype kind = 0;
end:
  do
  /* The sender: handleFrame */
  :: atomic {
      fromRelay[p]?kind, one, two ->
      if
      :: kind == RESUMED && p > path ->
        assert(one >= acknowledged && one <= sentMax); /* LAWFUL */
        forget(path);
        path = p;
        next = one;
#ifdef BROKEN_ANEW
        limit = (two > limit -> two : limit)
#else
        limit = two
#endif
      :: kind != RESUMED && p == path ->
        limit = (two > limit -> two : limit);
        if
        :: kind == CREDIT ->
          assert(one <= sentMax); /* LAWFUL */
          acknowledged = (one > acknowledged -> one : acknowledged);
          next = (next < acknowledged -> acknowledged : next)
        :: else
        fi
      :: else -> forget(p) /* late */
      fi;
      kind = 0; one = 0; two = 0
    }
  /* RelaySide.handleData */
  :: atomic {
      toRelay[p] > 0 ->
      toRelay[p]--;
      window_[RELAY(p)].received++;
      assert(window_[RELAY(p)].received <= granted[p]); /* LAWFUL */
      assert(HOLDS(RELAY(p)) <= window_[RELAY(p)].reserved) /* HELD */
    }
  /* RelaySide.writeTo and #advance */
  :: atomic {
      HOLDS(RELAY(p)) > 0 && window_[RELAY(p)].delivered < farLimit[p] ->
      toReceiver[p] = toReceiver[p] + (p == at -> 1 : 0); /* else late */
      window_[RELAY(p)].delivered++;
      if
      :: DUE(RELAY(p)) && granted[p] < farLimit[p] -> window_[RELAY(p)].creditDue = true
      :: else
      fi
    }
  :: atomic {
      window_[RELAY(p)].creditDue && len(fromRelay[p]) < 2 ->
      window_[RELAY(p)].creditDue = false;
      grant(p);
      fromRelay[p]!CREDIT, passed[p], granted[p]
    }
  /* RelaySide.handleFrame of what the receiver says */
  :: atomic {
      fromReceiver[p]?kind, one, two ->
      if
      :: kind == RESUMED ->
        startAt(RELAY(p), one);
        farLimit[p] = two;
        granted[p] = MIN(two, window_[RELAY(p)].limit);
        fromRelay[p]!RESUMED, one, granted[p]
      :: kind == OPENED ->
        farLimit[p] = (two > farLimit[p] -> two : farLimit[p]);
        grant(p);
        fromRelay[p]!OPENED, one, granted[p]
      :: kind == CREDIT ->
        farLimit[p] = (two > farLimit[p] -> two : farLimit[p]);
        passed[p] = (one > passed[p] -> one : passed[p]);
        window_[RELAY(p)].creditDue = true
      fi;
      kind = 0; one = 0; two = 0
    }
  /* The receiver: handleData */
  :: atomic {
      toReceiver[p] > 0 ->
      toReceiver[p]--;
      window_[RECEIVER].received++;
      assert(window_[RECEIVER].received <= window_[RECEIVER].limit); /* LAWFUL */
      assert(HOLDS(RECEIVER) <= window_[RECEIVER].reserved) /* HELD */
    }
  od
}

proctype Receiver() {
  byte top = 0;
end:
  do
  /* accept */
  :: atomic {
      !accepted ->
      accepted = true;
      raise(RECEIVER, window_[RECEIVER].received);
      fromReceiver[at]!OPENED, window_[RECEIVER].received, window_[RECEIVER].limit
    }
  /* deliver: CREDIT is due at once where half of what was given is used, else a little later. */
  :: atomic {
      accepted && HOLDS(RECEIVER) > 0 ->
      window_[RECEIVER].delivered++;
      window_[RECEIVER].creditDue = window_[RECEIVER].creditDue || DUE(RECEIVER)
    }
#ifndef BROKEN_LAZY
  :: atomic {
      !window_[RECEIVER].creditDue && window_[RECEIVER].delivered > window_[RECEIVER].acknowledged ->
      window_[RECEIVER].creditDue = true
    }
#endif
  /* writeCredit */
  :: atomic {
      window_[RECEIVER].creditDue && len(fromReceiver[at]) < 2 ->
      window_[RECEIVER].creditDue = false;
      renew(RECEIVER);
      window_[RECEIVER].acknowledged = window_[RECEIVER].delivered;
      fromReceiver[at]!CREDIT, window_[RECEIVER].delivered, window_[RECEIVER].limit
    }
  /* move */
  :: atomic {
      accepted && at < RESUMES ->
      toReceiver[at] = 0; /* late */
      at++;
      restart(RECEIVER);
      fromReceiver[at]!RESUMED, window_[RECEIVER].received, window_[RECEIVER].limit;
      window_[RECEIVER].creditDue = window_[RECEIVER].delivered > 0
    }
  od
}

/* Nothing is under way, and nobody has anything to say. */
proctype Judge() {
end:
  atomic {
    timeout -> assert(window_[RECEIVER].delivered == BYTES && acknowledged == BYTES) /* GOES ON */
  }
}

init {
  byte p = 0, top = 0;
  atomic {
    if
    :: keeps = FLOOR
    :: keeps = BYTES
    fi;
    do
    :: p < 1 + PATHS ->
      window_[p].reserved = FLOOR;
      window_[p].window = (FIRST < MAX(p) -> FIRST : MAX(p));
      p++
    :: else -> break
    od;
    p = 0;
    /* OPEN has passed: until the receiver has taken the stream the floor may come. */
    window_[RECEIVER].limit = FLOOR;
    farLimit[0] = FLOOR;
    startAt(RELAY(0), 0);
    granted[0] = FLOOR;
    run Sender();
    run Receiver();
    do
    :: p < PATHS -> run Path(p); p++
    :: else -> break
    od;
    p = 0;
    run Judge()
  }
}
