#!/usr/bin/env python3
"""Transactions of the Python client: rivals, exceptions, and connections that are cut at the commit."""

import multiprocessing
import os
import pathlib
import random
import select
import signal
import socket
import sys
import threading
import unittest
import uuid

from harness import ROOT, TIMEOUT_SECONDS, ChimeraTest

sys.path.insert(0, str(ROOT / "clients" / "python"))
import chimera  # noqa: E402
from chimera import Error, Outcome, Program, Status  # noqa: E402

DEVICE = uuid.UUID("3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11")
ACCOUNTS, EACH = 4, 1000
TRANSFERS = 40  # of a worker
TIMEOUT = float(TIMEOUT_SECONDS)
COMMIT_WITH_TOKEN, OUTCOME_OF_TOKEN = b"\x7f\x60\x10\0\0\0", b"\x7f\x61\x10\0\0\0"


def read_number(session, account=0):
    return int.from_bytes(session.read_bytes(8, device=DEVICE, offset=8 * account), "little")


def write_number(session, number, account=0):
    session.write_bytes(number.to_bytes(8, "little"), device=DEVICE, offset=8 * account)


def transfer(address, seed, sums):
    """Moves random amounts between accounts; notes each sum that a transaction has seen, and how often one has run."""
    chance = random.Random(seed)
    with chimera.connect(address, timeout=TIMEOUT) as client:
        for _ in range(TRANSFERS):
            def move(transaction):
                held = [read_number(transaction, account) for account in range(ACCOUNTS)]
                sums.append(sum(held))
                source, target = chance.sample(range(ACCOUNTS), 2)
                amount = chance.randrange(held[source] + 1)
                write_number(transaction, held[source] - amount, source)
                write_number(transaction, held[target] + amount, target)
            client.transaction(move)


def transfer_in_a_process(address, seed):
    sums = []
    transfer(address, seed, sums)
    os._exit(0 if len(sums) >= TRANSFERS and set(sums) == {ACCOUNTS * EACH} else 1)


class ServedTest(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.format()
        self.server = self.serve()
        self.address = self.server.addresses[0]
        self.client = self.connect_client()
        self.client.create_device("accounts", device=DEVICE)
        for account in range(ACCOUNTS):
            write_number(self.client, EACH, account)

    def connect_client(self, address=None):
        client = chimera.connect(address or self.address, timeout=TIMEOUT)
        self.addCleanup(client.close)
        return client


class Rivals(ServedTest):
    def test_threads_and_processes_move_sums(self):
        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=transfer_in_a_process, args=(self.address, seed)) for seed in (1, 2)]
        for process in processes:
            process.start()
        sums = []
        threads = [threading.Thread(target=transfer, args=(self.address, seed, sums)) for seed in (3, 4)]
        for thread in threads:
            thread.start()
        for worker in threads + processes:
            worker.join()
        self.assertEqual([process.exitcode for process in processes], [0, 0])
        self.assertGreater(len(sums), 2 * TRANSFERS, "there was no conflict")
        self.assertEqual(set(sums), {ACCOUNTS * EACH})
        self.assertEqual(sum(read_number(self.client, account) for account in range(ACCOUNTS)), ACCOUNTS * EACH)

    def disturb(self, other, times):
        """A function for a transaction in whose middle another session writes what it has read."""
        calls = []

        def function(transaction):
            calls.append(read_number(transaction))
            if len(calls) <= times:
                write_number(other, 7 + len(calls))
            write_number(transaction, 1)
            return len(calls)

        return function

    def test_a_conflict_is_run_again(self):
        self.assertEqual(self.client.transaction(self.disturb(self.connect_client(), 2)), 3)
        self.assertEqual(read_number(self.client), 1)
        self.assertEqual(self.client.transaction_with_token(self.disturb(self.connect_client(), 1)), 2)

    def test_a_transaction_within_a_transaction_is_refused_and_aborts_it(self):
        def function(transaction):
            write_number(transaction, 1)
            self.client.transaction(lambda inner: write_number(inner, 2))

        for _ in range(2):
            self.assertRaisesRegex(ValueError, "within a transaction", self.client.transaction, function)
        self.assertEqual(read_number(self.client), EACH)
        self.client.transaction(lambda transaction: write_number(transaction, 3))
        self.assertEqual(read_number(self.client), 3)

    def test_what_is_no_program_is_not_run(self):
        self.assertRaisesRegex(TypeError, "bytes", self.client.run, bytes(Program().sync()))
        self.client.sync()

    def test_attempts_are_bounded(self):
        for method in (self.client.transaction, self.client.transaction_with_token):
            other = self.connect_client()
            with self.assertRaises(Error) as caught:
                method(self.disturb(other, 100), attempts=3)
            self.assertEqual(caught.exception.status, Status.CONFLICT)
            self.assertEqual(read_number(self.client), 7 + 3)
            self.assertRaises(ValueError, method, lambda _: None, attempts=0)

    def test_writes_and_checks_go_in_one_piece(self):
        """So the server runs it again by itself, and rivals never hear of a conflict."""
        rounds = []

        def rewrite(transaction):
            rounds.append(1)
            transaction.check_bytes(b"", device=DEVICE, offset=0)
            transaction.copy_bytes(DEVICE, 0, DEVICE, 64, 8)

        def work():
            with chimera.connect(self.address, timeout=TIMEOUT) as client:
                for _ in range(50):
                    client.transaction(rewrite)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(rounds), 150)


class Failures(ServedTest):
    def test_an_exception_aborts(self):
        class Stop(Exception):
            pass

        def function(transaction):
            write_number(transaction, 5)
            if is_read:
                self.assertEqual(read_number(transaction), 5)
            raise Stop

        for is_read in (False, True):
            self.assertRaises(Stop, self.client.transaction, function)
            self.assertRaises(Stop, self.client.transaction_with_token, function)
            self.assertEqual(read_number(self.client), EACH)
        self.client.begin()  # no transaction is left
        self.client.abort()

    def test_an_interrupt_closes_the_connection(self):
        def function(transaction):
            write_number(transaction, 5)
            read_number(transaction)
            raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, self.client.transaction, function)
        self.assertRaises(chimera.ConnectionLost, self.client.sync)
        self.client.reconnect()
        self.assertEqual(read_number(self.client), EACH)

    def test_a_failure_is_raised_with_its_place(self):
        def function(transaction):
            write_number(transaction, 5)
            transaction.check_bytes(b"no", device=DEVICE, offset=0)
            if reads:
                read_number(transaction)

        for reads in (False, True):
            with self.assertRaises(Error) as caught:
                self.client.transaction(function)
            self.assertEqual((caught.exception.status, caught.exception.number), (Status.MISMATCH, 2))
            self.assertEqual(read_number(self.client), EACH)

    def test_a_failure_that_the_function_passes_over_is_raised_at_the_commit(self):
        def function(transaction):
            write_number(transaction, 5)
            for _ in range(2):
                try:
                    transaction.open_device("nobody")
                except Error as error:
                    self.assertEqual(error.status, Status.NOT_FOUND)

        with self.assertRaises(Error) as caught:
            self.client.transaction(function)
        self.assertEqual((caught.exception.status, caught.exception.number), (Status.NOT_FOUND, 2))
        self.assertEqual(read_number(self.client), EACH)

    def test_it_begins_and_ends_by_itself(self):
        for call in (lambda t: t.begin(), lambda t: t.commit(), lambda t: t.abort(),
                     lambda t: t.run(Program().commit_with_token(bytes(16)))):
            self.assertRaises(ValueError, self.client.transaction, call)
        kept = self.client.transaction(lambda transaction: transaction)
        self.assertRaisesRegex(ValueError, "has ended", kept.read_length)

    def test_programs_and_much_data(self):
        def function(transaction):
            self.assertEqual(transaction.run(Program()), [])
            for number in range(3):
                transaction.write_bytes(bytes([number + 1]) * (1 << 20), device=DEVICE, offset=number << 20)
            return transaction.run(Program().read_bytes(2, offset=(1 << 20) - 1).read_length())

        self.assertEqual(self.client.transaction(function), [b"\1\2", 3 << 20])
        self.assertEqual(self.client.read_length(device=DEVICE), 3 << 20)


class Proxy:
    """Between client and server. It cuts the first connection on which a commit with a token comes: `before` it
    reaches the server, `after` the server has answered, or `late`, so that it reaches the server only after the client
    has asked for the outcome on another connection."""

    def __init__(self, test, cut, at_cut=lambda: None):
        self.server_path, self.cut, self.at_cut = test.address.removeprefix("unix:"), cut, at_cut
        self.held = None  # a connection to the server and what is still to be sent on it
        path = str(pathlib.Path(test.folder) / "proxy")
        self.address = f"unix:{path}"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(path)
        self.listening.listen()
        thread = threading.Thread(target=self.serve)
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.listening.close)
        test.addCleanup(self.listening.shutdown, socket.SHUT_RDWR)

    def serve(self):
        while True:
            try:
                client = self.listening.accept()[0]
            except OSError:
                return
            with client:
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self.server_path)
                    self.forward(client, server)
                except OSError:
                    pass
                if self.held is None or self.held[0] is not server:
                    server.close()

    def forward(self, client, server):
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(1 << 16)
                if not data:
                    return
                if source is server:
                    client.sendall(data)
                elif self.cut and COMMIT_WITH_TOKEN in data:
                    return self.cut_off(server, data)
                else:
                    server.sendall(data)
                    if OUTCOME_OF_TOKEN in data and self.held:
                        client.sendall(server.recv(2))
                        self.release()

    def cut_off(self, server, data):
        cut, self.cut = self.cut, None
        if cut == "after":
            server.sendall(data)
            server.recv(2, socket.MSG_WAITALL)  # of a write and the commit
        if cut == "late":
            self.held = server, data
        self.at_cut()

    def release(self):
        (server, data), self.held = self.held, None
        server.sendall(data)
        server.recv(2, socket.MSG_WAITALL)
        server.close()


class Tokens(ServedTest):
    def setUp(self):
        super().setUp()
        self.calls = []

    def count_up(self, transaction):
        number = read_number(transaction)
        self.calls.append(number)
        write_number(transaction, number + 1)
        return number

    def check_once(self, proxy, calls, function=None):
        token = os.urandom(16)
        client = self.connect_client(proxy.address)
        self.assertEqual(client.transaction_with_token(function or self.count_up, token), EACH)
        self.assertEqual(self.calls, calls)
        fresh = self.connect_client()
        self.assertEqual(read_number(fresh), EACH + 1)
        self.assertEqual(fresh.outcome_of_token(token), Outcome.COMMITTED)

    def test_without_a_cut(self):
        self.check_once(Proxy(self, None), [EACH])

    def test_the_answer_is_lost(self):
        self.check_once(Proxy(self, "after"), [EACH])

    def test_the_commit_is_lost(self):
        self.check_once(Proxy(self, "before"), [EACH, EACH])

    def test_the_commit_comes_late(self):
        """After the client was told that nothing is known of it: what it runs then sees it, and is stopped by that."""
        def count_up_once(transaction):
            value = self.count_up(transaction)
            if value > EACH:
                raise ValueError("it is there already")
            return value

        self.check_once(Proxy(self, "late"), [EACH, EACH + 1], count_up_once)

    def test_the_commit_comes_late_and_the_function_minds_nothing(self):
        client = self.connect_client(Proxy(self, "late").address)
        client.transaction_with_token(self.count_up)
        self.assertEqual(read_number(self.connect_client()), EACH + 1)

    def test_the_server_is_killed_and_started_again(self):
        def restart():
            self.server.kill_and_let_go(self.store)
            self.server = self.serve(listen=[f"unix:{self.folder}/again"])  # the old socket lives for a moment more
            self.address = self.server.addresses[0]
            proxy.server_path = self.address.removeprefix("unix:")

        self.client.sync()
        proxy = Proxy(self, "after", restart)
        self.check_once(proxy, [EACH])

    def test_a_server_that_stops_is_a_lost_connection(self):
        def function(transaction):
            value = self.count_up(transaction)
            if len(self.calls) == 1:
                self.server.stop(signal.SIGTERM)
                self.server = self.serve()
            return value

        self.check_once(Proxy(self, None), [EACH, EACH], function)

    def test_who_does_not_come_back_is_given_up(self):
        def function(transaction):
            self.count_up(transaction)
            self.server.kill()

        with self.assertRaisesRegex(chimera.ConnectionLost, f"token {bytes(16).hex()} is unknown"):
            self.client.transaction_with_token(function, bytes(16), reconnect_seconds=0.05)

    def test_a_token_that_was_committed_takes_no_effect_again(self):
        token = os.urandom(16)
        for _ in range(2):
            self.client.transaction_with_token(self.count_up, token)
        self.assertEqual(self.calls, [EACH, EACH + 1])
        self.assertEqual(read_number(self.client), EACH + 1)


if __name__ == "__main__":
    unittest.main()
