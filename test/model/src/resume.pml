/*
 * RESUME (docs/PROTOCOL.md, "Streams" and "RESUME"), as libs/tunnel/src/stream and endpoint have it: one stream of
 * two ends over paths that break, are left, or deliver late. Names are those of the code, and so is the order of what an
 * end does with a frame; an `inline` here is the method of that name.
 *
 *     end 0, the opener ══ path 0 ══ end 1, the acceptor          each path is two queues, and a session of its own, so
 *                       ══ path 1 ══                              frames of different paths may overtake each other
 *                          ...
 *
 * What breaks: CUTS times a path (its frames are lost from any point on, and the two ends notice one after the other, as the end of
 * the session or as PathLost from a relay), MOVES times an end leaves a path that works, TICKS times a
 * second passes before everything under way has arrived. When nothing is under way a second passes as often as it takes.
 *
 * Invariants, each an assert, or a deadlock ("invalid end state") where an end would wait for ever:
 *   WHOLE     byte n of the stream is delivered once, after n - 1 others: none lost, doubled or swapped; FIN after the last
 *   LAWFUL    no end finds the other breaking the protocol, and none is told that its stream is unknown
 *   ONCE      the acceptor dials once, however often OPEN is repeated
 *   ENDS      both ends are done: neither waits for ever, and attempts stay below what the trouble explains
 *
 * Left out: windows and budgets (credit only acknowledges), RESET by an owner, the 60 s bounds (a path is always to be had).
 * BROKEN_… makes the mistake of that name; each must be found.
 */
#ifndef CUTS
#define CUTS 2
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef TICKS
#define TICKS 1
#endif
#ifndef BYTES
#define BYTES 2
#endif
/* At once; a path that both ends have left is used again. */
#define PATHS 5
/* What the trouble that there is explains. */
#define ATTEMPTS (2 + 2 * (CUTS + MOVES + TICKS))

#define OPENER 0
#define ACCEPTOR 1
#define NOPATH 255
/* Bytes that each end has to send. */
#define END(e) (e == OPENER -> BYTES : 1)
#define ROOM 8

mtype = { OPEN, OPENED, DATA, CREDIT, FIN, RESUME, RESUMED, PATH_LOST, PATH_OUTDATED, UNKNOWN };
mtype:phase = { NONE, OPENING, OFFERED, TAKEN, OVER };

/* Frames on the way to end e by path p: type, attempt or byte, offset. */
chan way[2 * PATHS] = [ROOM] of { mtype, byte, byte };
#define WAY(p, e) way[2 * (p) + (e)]

bool cut[PATHS];
/* The end has left the path, or never had it: what comes there is late. */
bool gone[2 * PATHS];
#define GONE(p, e) gone[2 * (p) + (e)]
byte cuts = 0, moves = 0, ticks = 0, dials = 0;

typedef End {
  mtype:phase phase;
  byte session;
  byte attempt;
  bool resuming;
  byte acknowledged, next, sentMax;
  bool finSent, finSentEver, finAcknowledged;
  byte received, inAt, delivered;
  bool finReceived, finDelivered, creditDue;
};
End end_[2];
#define S end_[e]
#define RECEIVED(e) (end_[e].received + (end_[e].finReceived -> 1 : 0))

/* A frame is lost where the path has broken, and late where the other end has left it. */
inline send(onPath, kind, one, two) {
  if
  :: cut[onPath] || GONE(onPath, 1 - e) -> skip
  :: else ->
    assert(len(WAY(onPath, 1 - e)) < ROOM);
    WAY(onPath, 1 - e)!kind, one, two
  fi
}

inline newPath() {
  S.session = 0;
  do
  :: GONE(S.session, OPENER) && GONE(S.session, ACCEPTOR) -> break
  :: else ->
    S.session++;
    assert(S.session < PATHS)
  od;
  GONE(S.session, OPENER) = false;
  GONE(S.session, ACCEPTOR) = false;
  cut[S.session] = false
}

/* From here on nothing that comes by this path is taken. */
inline leave(onPath) {
#ifndef BROKEN_LATE
  GONE(onPath, e) = true;
  do
  :: len(WAY(onPath, e)) > 0 -> WAY(onPath, e)?_, _, _
  :: else -> break
  od
#else
  skip
#endif
}

inline count() {
  S.attempt++;
  assert(S.attempt <= ATTEMPTS) /* ENDS */
}

inline finishWhenDone() {
  if
  :: S.phase == TAKEN && S.finAcknowledged && S.finDelivered && !S.creditDue ->
    assert(S.received == END(1 - e) && S.delivered == S.received); /* WHOLE */
    if
    :: S.session != NOPATH ->
      if
      :: S.attempt > 1 -> send(S.session, PATH_LOST, 0, 0)
      :: else
      fi;
      leave(S.session)
    :: else
    fi;
    S.session = NOPATH;
    S.phase = OVER;
    /* Of no more meaning: fewer states. */
    S.resuming = false; S.attempt = 0; S.acknowledged = 0; S.next = 0; S.sentMax = 0; S.inAt = 0
  :: else
  fi
}

inline sendOpen() {
  count();
  newPath();
  send(S.session, OPEN, S.attempt, 0)
}

inline seekPath() {
  if
  :: S.phase == OPENING && S.session == NOPATH ->
    S.next = 0;
    S.finSent = false;
    sendOpen()
  :: S.phase == TAKEN && S.session == NOPATH ->
    count();
    S.resuming = true;
    newPath();
    S.inAt = RECEIVED(e);
    send(S.session, RESUME, S.attempt, RECEIVED(e))
  :: else
  fi
}

/* The path is gone; `again` where another is looked for at once. What follows is in `settle`. */
inline losePath(again) {
  lost = true;
  seek = again
}

/* The rest of losePath, and what ends or moves a stream after any event. */
inline settle() {
  if
  :: lost ->
    if
    :: S.session != NOPATH -> leave(S.session)
    :: else
    fi;
    S.session = NOPATH;
    S.resuming = false;
    S.inAt = 0;
    S.creditDue = S.creditDue && !(S.finAcknowledged && S.finDelivered)
  :: else
  fi;
  finishWhenDone();
  if
  :: seek -> seekPath()
  :: else
  fi;
  lost = false;
  seek = false
}

inline continueFrom(from) {
  assert(from >= S.acknowledged); /* LAWFUL */
  assert(from <= S.sentMax + (S.finSentEver -> 1 : 0)); /* LAWFUL */
#ifndef BROKEN_REWIND
  S.next = (from < END(e) -> from : END(e));
  S.finSent = (from > END(e));
#endif
  if
  :: S.delivered > 0 || S.finDelivered -> S.creditDue = true
  :: else
  fi
}

/* The former path may still work: relays on it are told. */
inline moveTo(onPath) {
  if
  :: S.session != NOPATH ->
    send(S.session, PATH_LOST, 0, 0);
    leave(S.session)
  :: else
  fi;
  S.session = onPath;
  S.resuming = false
}

#ifdef BROKEN_TIE
#define GIVES_WAY false
#else
#define GIVES_WAY (e == ACCEPTOR && (S.resuming || S.session == NOPATH))
#endif
#define IS_NEWER(a) ((a) > S.attempt || ((a) == S.attempt && GIVES_WAY))

inline handleOpen(onPath, one) {
  if
  :: S.phase == NONE ->
    S.phase = OFFERED;
    S.attempt = one;
    S.session = onPath;
    S.inAt = 0;
    dials++;
    assert(dials == 1) /* ONCE */
  :: S.phase == OVER ->
    send(onPath, UNKNOWN, 0, 0);
    leave(onPath)
  :: S.phase != NONE && S.phase != OVER && !IS_NEWER(one) ->
    send(onPath, PATH_OUTDATED, 0, 0);
    leave(onPath)
  :: S.phase != NONE && S.phase != OVER && IS_NEWER(one) ->
    assert(S.acknowledged == 0); /* LAWFUL */
    moveTo(onPath);
    S.attempt = one;
    S.inAt = 0;
    S.next = 0;
    S.finSent = false;
    if
    :: S.phase == TAKEN -> send(onPath, OPENED, S.attempt, RECEIVED(e))
    :: else
    fi
  fi
}

inline handleResume(onPath, one, from) {
  if
  :: S.phase == OVER ->
#ifdef BROKEN_TOMBSTONE
    send(onPath, UNKNOWN, 0, 0);
#else
    send(onPath, RESUMED, one, RECEIVED(e));
    send(onPath, CREDIT, RECEIVED(e), 0);
    send(onPath, PATH_LOST, 0, 0);
#endif
    leave(onPath)
  :: S.phase != OVER && !IS_NEWER(one) ->
    send(onPath, PATH_OUTDATED, 0, 0);
    leave(onPath)
  :: S.phase != OVER && IS_NEWER(one) ->
    assert(S.phase != NONE && S.phase != OFFERED); /* LAWFUL */
    moveTo(onPath);
    S.attempt = one;
    S.inAt = RECEIVED(e);
    send(onPath, RESUMED, S.attempt, RECEIVED(e));
    S.phase = TAKEN;
    continueFrom(from)
  fi
}

#define UNANSWERED (S.resuming || S.phase == OPENING)

inline handleData(offset) {
  assert(!UNANSWERED); /* LAWFUL */
  assert(!(S.finReceived && S.inAt >= S.received)); /* LAWFUL */
  assert(offset == S.inAt); /* WHOLE: what comes is the byte that this place of the path stands for */
  S.inAt++;
  if
  :: S.inAt > S.received -> S.received = S.inAt
  :: else
  fi
}

inline handleFin() {
  assert(!UNANSWERED); /* LAWFUL */
  assert(S.inAt == RECEIVED(e) || (S.finReceived && S.inAt == S.received)); /* LAWFUL */
  assert(S.inAt == END(1 - e)); /* WHOLE */
  S.inAt++;
  S.finReceived = true
}

inline handleCredit(offset) {
  assert(!UNANSWERED); /* LAWFUL */
  assert(offset <= S.sentMax + (S.finSentEver -> 1 : 0)); /* LAWFUL */
  if
  :: offset > END(e) -> S.finAcknowledged = true
  :: else
  fi;
  if
  :: offset > S.acknowledged -> S.acknowledged = (offset < END(e) -> offset : END(e))
  :: else
  fi
}

inline handleFrame(onPath, kind, one, two) {
  if
  :: kind == OPEN -> handleOpen(onPath, one)
  :: kind == RESUME -> handleResume(onPath, one, two)
#ifdef BROKEN_LATE
  /* Frames of a path that was left are taken all the same. */
  :: kind == DATA && onPath != S.session && S.phase == TAKEN && !S.resuming -> handleData(one)
#endif
  :: else ->
    if
    :: onPath != S.session /* late: the session no longer knows the path */
    :: onPath == S.session && kind == OPENED ->
      if
      :: S.phase == OPENING && one == S.attempt -> S.phase = TAKEN
      :: else
      fi
    :: onPath == S.session && kind == RESUMED ->
      if
      :: S.resuming && one == S.attempt ->
        S.resuming = false;
        continueFrom(two)
      :: else
      fi
    :: onPath == S.session && kind == DATA -> handleData(one)
    :: onPath == S.session && kind == FIN -> handleFin()
    :: onPath == S.session && kind == CREDIT -> handleCredit(one)
    :: onPath == S.session && kind == UNKNOWN -> assert(false) /* LAWFUL */
    :: onPath == S.session && kind == PATH_LOST ->
      if
      :: !S.resuming && S.phase == TAKEN -> losePath(true)
      :: else -> losePath(false)
      fi
    :: onPath == S.session && kind == PATH_OUTDATED -> losePath(false)
    fi
  fi;
  /* What is late for this end is of no more use. */
  kind = 0; one = 0; two = 0
}

/* The end of a path as one end notices it: the session's, or PathLost from a relay. What was on the way is lost. */
inline noticeCut(onPath) {
  GONE(onPath, e) = true;
  leave(onPath);
  if
  :: onPath == S.session -> losePath(true)
  :: onPath == S.session && S.resuming -> losePath(false)
  :: onPath == S.session && S.phase == OPENING -> losePath(false)
  :: else
  fi
}

#define ATTACHED (S.session != NOPATH && S.phase != OVER)
#define SENDS (ATTACHED && !S.resuming && S.phase != OFFERED)
#define TICKS_FOR(e) (end_[e].session == NOPATH && (end_[e].phase == OPENING || end_[e].phase == TAKEN))
#define HAS(p) (!GONE(p, e) && len(WAY(p, e)) > 0)
#define SEES(p) (!GONE(p, e) && cut[p])
#define ANY(is) (is(0) || is(1) || is(2) || is(3) || is(4))

/* #tickWaiting: who waits for a path tries again. */
bool due[2];
inline tick() {
  due[OPENER] = TICKS_FOR(OPENER);
  due[ACCEPTOR] = TICKS_FOR(ACCEPTOR)
}

proctype Run(byte e) {
  mtype type = 0;
  byte a = 0, b = 0, p = 0;
  bool lost = false, seek = false;
end:
  do
  :: atomic {
      if
      /* A frame comes, on whichever path. */
      :: ANY(HAS) ->
        do
        :: p + 1 < PATHS -> p++
        :: HAS(p) ->
          WAY(p, e)?type, a, b;
          handleFrame(p, type, a, b);
          break
        :: p + 1 >= PATHS && !HAS(p) -> break
        od;
        p = 0
      /* A path has broken, and this end notices now. */
      :: ANY(SEES) ->
        do
        :: p + 1 < PATHS -> p++
        :: SEES(p) -> noticeCut(p); break
        :: p + 1 >= PATHS && !SEES(p) -> break
        od;
        p = 0
      /* writeTo */
      :: SENDS && S.creditDue && len(WAY(S.session, 1 - e)) < ROOM ->
        S.creditDue = false;
        send(S.session, CREDIT, S.delivered + (S.finDelivered -> 1 : 0), 0)
      :: SENDS && S.next < END(e) && len(WAY(S.session, 1 - e)) < ROOM ->
        send(S.session, DATA, S.next, 0);
        S.next++;
        S.sentMax = (S.next > S.sentMax -> S.next : S.sentMax)
      :: SENDS && S.next == END(e) && !S.finSent && len(WAY(S.session, 1 - e)) < ROOM ->
        send(S.session, FIN, 0, 0);
        S.finSent = true;
        S.finSentEver = true
      /* The owner: accept, deliver, deliverEnd. */
      :: S.phase == OFFERED ->
        S.phase = TAKEN;
        if
        :: S.session != NOPATH -> send(S.session, OPENED, S.attempt, RECEIVED(e))
        :: else
        fi
      :: S.phase == TAKEN && (S.delivered < S.received || (S.finReceived && !S.finDelivered)) ->
        S.delivered = S.received;
        S.finDelivered = S.finReceived;
        S.creditDue = true
      /* move */
      :: moves < MOVES && ATTACHED && S.phase != OFFERED ->
        moves++;
        send(S.session, PATH_LOST, 0, 0);
        losePath(true)
      /* A second has passed. */
      :: due[e] -> due[e] = false; seek = true
      fi;
      settle()
    }
  od
}

/* Seconds: TICKS of them at any time, the others when nothing else can happen, for both ends at once. */
proctype Clock() {
end:
  do
  :: atomic { ticks < TICKS && (TICKS_FOR(OPENER) || TICKS_FOR(ACCEPTOR)) -> ticks++; tick() }
  :: atomic { timeout && (TICKS_FOR(OPENER) || TICKS_FOR(ACCEPTOR)) -> tick() }
  od
}

/* Any path may break that an end still has. */
#define MAY_BREAK(p) (!cut[p] && !(GONE(p, OPENER) && GONE(p, ACCEPTOR)))

proctype Trouble() {
  byte p = 0;
end:
  do
  :: atomic {
      cuts < CUTS && (MAY_BREAK(0) || MAY_BREAK(1) || MAY_BREAK(2) || MAY_BREAK(3) || MAY_BREAK(4)) ->
      do
      :: p + 1 < PATHS -> p++
      :: MAY_BREAK(p) -> cut[p] = true; cuts++; break
      :: p + 1 >= PATHS && !MAY_BREAK(p) -> break
      od;
      p = 0
    }
  od
}

/* Nothing is under way, and nobody would try again: both must be done. */
proctype Judge() {
end:
  atomic {
    timeout && !TICKS_FOR(OPENER) && !TICKS_FOR(ACCEPTOR) ->
    assert(end_[OPENER].phase == OVER && end_[ACCEPTOR].phase == OVER) /* ENDS */
  }
}

init {
  byte e = OPENER;
  atomic {
    do
    :: !gone[2 * PATHS - 1] -> gone[e] = true; e++
    :: else -> break
    od;
    e = OPENER;
    end_[OPENER].phase = OPENING;
    end_[ACCEPTOR].phase = NONE;
    end_[OPENER].session = NOPATH;
    end_[ACCEPTOR].session = NOPATH;
    sendOpen();
    run Run(OPENER);
    run Run(ACCEPTOR);
    run Trouble();
    run Clock();
    run Judge()
  }
}
