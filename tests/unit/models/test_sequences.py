"""Where the tokens of rows lie."""

import torch

from spro.models import Sequences, to_rectangle

CPU = torch.device("cpu")
SEQUENCES = Sequences(
    prompts=((5, 6, 7), (9,), (11, 12, 13, 14)),
    responses=((20, 21), (22, 23, 24, 25, 26), (27,)),
    pad_token_id=0,
    masks=((True, True), (True, False, False, True, True), (False,)),
)


def test_rows_begin_at_the_first_column_and_the_longest_sets_the_width() -> None:
    assert SEQUENCES.rectangle(CPU).tolist() == [
        [5, 6, 7, 20, 21, 0],
        [9, 22, 23, 24, 25, 26],
        [11, 12, 13, 14, 27, 0],
    ]
    assert SEQUENCES.lengths == (5, 6, 5)


def test_the_mask_is_of_what_the_policy_wrote() -> None:
    assert SEQUENCES.response_mask(CPU).tolist() == [
        [True, True, False, False, False],
        [True, False, False, True, True],
        [False, False, False, False, False],
    ]
    everything = Sequences(SEQUENCES.prompts, SEQUENCES.responses, 0)
    assert everything.response_mask(CPU).sum(dim=1).tolist() == [2, 5, 1]


def test_each_written_token_and_the_place_before_it() -> None:
    assert SEQUENCES.written_token_ids(CPU).tolist() == [20, 21, 22, 25, 26]
    assert SEQUENCES.predictors(CPU).tolist() == [2, 3, 6, 9, 10]
    flat = SEQUENCES.rectangle(CPU).flatten()
    assert flat[SEQUENCES.predictors(CPU) + 1].tolist() == SEQUENCES.written_token_ids(CPU).tolist()


def test_selected_rows_keep_the_given_order_and_their_masks() -> None:
    part = SEQUENCES.select([2, 0])
    assert part.prompts == (SEQUENCES.prompts[2], SEQUENCES.prompts[0])
    assert part.responses == ((27,), (20, 21))
    assert part.masks == ((False,), (True, True))
    assert part.response_width == 2
    assert part.rectangle(CPU).shape == (2, 5)
    assert Sequences(SEQUENCES.prompts, SEQUENCES.responses, 0).select([1]).masks is None


def test_flat_values_go_where_the_mask_is_and_their_gradient_comes_back() -> None:
    mask = SEQUENCES.response_mask(CPU)
    flat = torch.arange(1.0, 6.0, requires_grad=True)
    rectangle = to_rectangle(flat, mask)
    assert rectangle.tolist() == [[1, 2, 0, 0, 0], [3, 0, 0, 4, 5], [0, 0, 0, 0, 0]]
    (rectangle * torch.arange(15).view(3, 5)).sum().backward()
    assert flat.grad is not None
    assert flat.grad.tolist() == [0, 1, 5, 8, 9]


def test_no_values_on_an_empty_mask() -> None:
    assert to_rectangle(torch.empty(0), torch.zeros(2, 3, dtype=torch.bool)).tolist() == [[0, 0, 0], [0, 0, 0]]
