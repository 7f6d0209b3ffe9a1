"""What every number in `log.jsonl` and in a ledger file means, and the words this book uses for the parts of a method.

A name that ends in a level of clusters (`mtpr_0`, `mtpr_1`, ...) or in a queue's length (`row_bytes_8192`) is explained
once, without its number.
"""

import re

TRAINING = {  # a line of log.jsonl; means over the steps since the last line unless said otherwise
    "step": "Optimizer steps done.",
    "epoch": "Passes over the training images done, as a fraction.",
    "lr": "Learning rate of the last step of the interval, after warm-up and cosine.",
    "loss": "The method's loss, as its page writes it. Losses of different methods cannot be compared.",
    "embedding_std": "Collapse monitor: standard deviation of the unit-norm embeddings over the batch, mean over "
    "dimensions, times √d. About 1 when they spread over the sphere, 0 when all are equal.",
    "collapsed": "True where `embedding_std` is below 0.05.",
    "images_per_second": "Training images, not views, per second of wall time since training began or was resumed.",
    "mined_share": "Share of anchors for which something was mined.",
    "neighbour_match": "Of the mined items, the share whose image has the anchor's class. An item may be an older "
    "embedding of the anchor's own image, which always matches. Labels are read for this number "
    "only, never for the loss.",
    "neighbour_match_without_self": "The same over items of other images: the number that says how good mining is. "
    "Chance is the share of random pairs of one class.",
    "neighbour_cosine": "Cosine of an anchor and the neighbour that stands in for it, mean.",
    "neighbour_age_steps": "How many steps ago the neighbour entered the queue, mean.",
    "self_hit": "Share of lookups that return a row of the anchor's own image.",
    "self_in_queue": "Share of anchors of which the support set holds an older row at all.",
    "pairs": "Pairs that SePP-ID's sampler mined before training.",
    "paired_images": "Images that are in at least one of these pairs.",
    "pair_degree": "Most pairs that one image is in.",
    "pair_match": "Share of the mined pairs whose two images have one class.",
    "pair_self": "Share of the pairs that are an image with itself: a control's, or where a rule names no other image.",
    "pair_cosine": "Cosine of the two images of a pair in the sampler's embedding, mean.",
    "sampler_seconds": "Processor seconds of training the sampler, which are not in `seconds`.",
    "accepted": "Share of images that carry their cluster's label, at a level of clusters; 0 is the coarsest.",
    "mtpr": "Mean true positive rate at a level: mean over images of the share of same-class images that have the "
    "image's pseudo-label. In IFND's words, the false negatives found.",
    "mtnr": "Mean true negative rate at a level: mean over images of the share of other-class images that have "
    "another pseudo-label. In IFND's words, the true negatives kept.",
    "precision": "Share of same-class pairs among all pairs of images with one pseudo-label, at a level; absent "
    "where there is no such pair.",
    "strangers": "Other-class images that share an image's pseudo-label, mean over images, at a level.",
    "relation_match": "Share of the image pairs which a method keeps as alike (ISL's sets) that have one class.",
    "relation_degree": "Members per image in these sets, mean.",
    "gan_epochs": "Passes over the images in which ISL's generator and discriminator trained at the last boundary.",
    "mining_passes": "Passes in which proxies then looked for members (ISL).",
    "pairs_admitted": "Pairs that joined each other's sets at the last boundary (ISL).",
    "pairs_refused": "Pairs refused because a set was full (ISL); the cap is ours.",
    "members": "Members of an anchor's set that the loss attracts, mean over the batch (ISL).",
    "negatives": "Keys left in an anchor's denominator, mean over levels and anchors (IFND).",
    "false_negatives": "Keys taken for false negatives per anchor, mean (FNC).",
    "removed": "Rows of the queue that no longer repel an anchor, mean (MoCo v2 with controlled other images).",
    "removed_right": "Share of these rows that show the anchor's class.",
    "neighbours_kept": "Share of an image's neighbours in the graph that were its neighbours at its last visit (InvP).",
    "discovered": "Images that the graph reaches from an anchor, mean (InvP).",
    "discovered_similarity": "Cosine of an anchor and the images that the graph reaches, mean (InvP).",
    "stranger_similarity": "Cosine of an anchor and all images that the graph does not reach, mean (InvP).",
    "hard_positives": "Images or rows reached over the graph and trained on as hard positives, per anchor (InvP).",
    "empty": "Share of anchors none of whose nearest rows shares a cluster with them; they add nothing (LA).",
    "instance_loss": "The part of the loss without clusters or mined images: MoCo's in PCL, the instance loss in InvP.",
    "pretext_right": "Share of the versions of a view about which the pretext question is answered right; by chance "
    "1/4 (Rotation), or one in as many permutations as there are (Jigsaw).",
    "invariance": "VICReg's invariance term: mean squared distance between the embeddings of two views.",
}

RUN = {  # of a finished run, beside the last line of its log
    "steps": "Optimizer steps of the whole run; 0 for an encoder as initialised.",
    "seconds": "Processor seconds of training, clustering and mining included.",
    "peak_bytes": "Peak memory: resident in the process on the CPU, allocated on a GPU.",
}

SCORES = {  # of the evaluations of a finished run, on the test split, by a frozen encoder
    "linear_top1": "Accuracy of a linear probe on frozen features, in [0, 1].",
    "linear_top5": "Share of test images whose class is among the probe's five largest scores.",
    "linear_held_out": "Accuracy on the held-out fifth of the training images that chose the penalty.",
    "linear_penalty": "The penalty that was chosen.",
    "knn_top1": "Accuracy of a vote of the nearest training images, weighted by similarity.",
    "knn_top5": "Share of test images whose class is among the five with the most votes.",
    "few_top1": "Accuracy of a linear probe from a few labels per class, mean over draws of the labelled images.",
    "few_top5": "The same with the five largest scores.",
    "few_std": "Standard deviation of `few_top1` over draws.",
    "neighbour_match": "Of the k-NN evaluation: share of training images whose nearest other image, by features, has "
    "their class.",
    "nmi": "Normalised mutual information of k-means clusters and classes, in [0, 1], mean over starts.",
    "nmi_std": "Its standard deviation over starts.",
    "faster_ap": "Average precision of the boxes of a tuned Faster R-CNN, as COCO counts it, mean over overlaps of "
    "0.50 to 0.95, in [0, 1].",
    "faster_ap50": "The same at an overlap of 0.50.",
    "faster_ap75": "The same at an overlap of 0.75.",
    "faster_moved": "How far tuning moved the encoder's first layer, relative to its norm.",
    "mask_bb_ap": "Average precision of the boxes of a tuned Mask R-CNN, as for `faster_ap`.",
    "mask_bb_ap50": "The same at an overlap of 0.50.",
    "mask_bb_ap75": "The same at an overlap of 0.75.",
    "mask_mk_ap": "Average precision of its masks, whose overlap is that of pixels.",
    "mask_mk_ap50": "The same at an overlap of 0.50.",
    "mask_mk_ap75": "The same at an overlap of 0.75.",
    "mask_moved": "How far tuning moved the encoder's first layer, relative to its norm.",
    "tuned_top1": "Accuracy after all layers were tuned on a list of labels; logged as `<recipe>_<list>_top1`, such as "
    "`simclr_1pct_top1`, and so for what follows.",
    "tuned_top5": "The same with the five largest scores.",
    "tuned_images": "Labels on the list.",
    "tuned_rate": "The encoder's learning rate that was chosen on a part of the list.",
    "tuned_held_out": "Accuracy on that part; -1 where there was nothing to choose.",
    "tuned_moved": "Least change of any layer's weights, relative to their norm.",
    "transfer": "Accuracy, or mean average precision, of a linear classifier on frozen features of another set of "
    "images; logged as `transfer_<set>`.",
    "transfer_penalty": "The penalty that was chosen on a validation split of that set.",
    "transfer_area": "Mean average precision by the area under the whole curve.",
    "row_bytes": "Bytes of the rows of a queue of this length.",
    "note_bytes": "Bytes of what a queue notes beside its rows: image, class and age.",
    "steps_per_second": "Training steps per second with a queue of this length.",
    "of_shortest": "The same relative to the shortest queue, median over rounds.",
    "log_lines": "Lines of the training's log.",
    "alike": "Mean of `relation_match` in a part of training; eight equal parts are numbered from 1.",
    "mined": "The same of `neighbour_match_without_self`; 0 while nothing was mined.",
    "kept": "The same of `neighbours_kept`.",
    "right": "What attracts is of the anchor's class: `mined` where steps log their positives, else `alike`.",
    "to_target": "Share of training until `alike` reaches three times chance; 1 where it never does.",
    "falls": "All that `alike` lost from one part to the next, summed.",
    "kept_early": "The value of `kept` in the first part in which any neighbour was stored before.",
    "kept_late": "The same in the last part.",
    "forward_passes": "Images encoded in a step, by the encoder and by copies of it, over images in the batch.",
    "gradient_passes": "Of these, by the trained encoder.",
    "step_milliseconds": "Processor time of a whole step, median.",
}

WORDS = {  # the field's terms, as this book uses them
    "encoder": "The network kept after training. Its output are the features that every evaluation reads.",
    "features": "The encoder's output for an image; what probes and neighbours are computed on.",
    "projector": "The head between encoder and loss. Its output is the embedding `z`, of unit norm unless said.",
    "embedding": "What a loss compares: the projector's output `z`.",
    "predictor": "An extra head on one side of a loss. Its output is the prediction `p`.",
    "view": "One augmented copy of an image.",
    "anchor": "The view for which a loss is computed: a row of the similarities.",
    "easy anchor": "One whose nearest stored embedding of its class does best against the nearest of another class, by "
    "cosine, compared with the rest of its batch. It may still be behind. Only a reader of labels can tell.",
    "hard anchor": "One for which it is farthest behind.",
    "right": "Of a neighbour or another mined item: its image has the anchor's class. Otherwise it is wrong.",
    "positive": "What the anchor is pulled towards.",
    "candidate": "What stands in the denominator of a contrastive loss: the positives and the negatives.",
    "negative": "A candidate that is no positive; it is pushed away.",
    "false negative": "A negative whose image has the anchor's class.",
    "mined item": "Another image, or a stored embedding of one, that a method takes for the anchor's kind: a nearest "
    "neighbour, a pair, a member of its cluster or set.",
    "student": "The network that is trained by gradient.",
    "teacher": "A slow copy of the student that follows it by a moving average and has no gradient.",
    "momentum": "Weight of the old value in that average, in [0, 1].",
    "queue": "The last n embeddings, of whatever images, first in, first out.",
    "bank": "One stored embedding for every image of the training set.",
    "row": "One stored embedding of a queue or bank; in a table, a line.",
    "lookup": "The search for an anchor's neighbour in the queue.",
    "miner": "The part of a method that says which other images are alike.",
    "sampler": "The encoder trained beforehand that names SePP-ID's pairs.",
    "support set": "NNCLR's word for what neighbours are looked up in; here the queue, unless a table varies it.",
    "temperature": "What similarities are divided by before a softmax. Low is sharp.",
    "pseudo-label": "The number of an image's cluster, used where a label would be.",
    "acceptance": "The share of images whose pseudo-label is used; the others get a label nobody shares.",
    "pretext task": "A question about an image whose answer is known without labels, such as how it was turned "
    "(Rotation) or shuffled (Jigsaw); what a network learns by answering it is kept, the answers are not.",
    "oracle": "A method or setting that reads labels, declared as such: an upper bound, not a contestant.",
    "control": "A row with the same budget that a result is read against: pixels, the untrained encoder, SimCLR.",
    "step": "One update by the optimizer.",
    "epoch": "One pass over the training images.",
    "progress": "The fraction of steps done, in [0, 1].",
    "scale": "A profile of a run: which images, encoder, epochs and batch. Verdicts belong to one.",
    "run": "One configuration with one seed.",
    "ledger": "The committed results: one small file per run, named by the hash of its configuration.",
    "collapse": "All images mapped to nearly the same embedding. `embedding_std` shows it.",
}

_NUMBERED = re.compile(r"_\d+$")
_TUNED = re.compile(r"(?:simclr|byol|ifnd|swav)_[\d.]+(?:pct|each)_(\w+)")  # after fine-tuning, by recipe and list
_TRANSFER = re.compile(r"transfer_[\w-]+?(_penalty|_area)?")


def base_name(key: str) -> str:
    """A logged key without its level or length: mtpr_0 -> mtpr; without its recipe and list, or set of images.

    >>> base_name("byol_10pct_top1"), base_name("transfer_leaves_penalty"), base_name("transfer_digits")
    ('tuned_top1', 'transfer_penalty', 'transfer')
    """
    tuned, other = _TUNED.fullmatch(key), _TRANSFER.fullmatch(key)
    if tuned:
        return f"tuned_{tuned[1]}"
    return f"transfer{other[1] or ''}" if other else _NUMBERED.sub("", key)


def unexplained_names(keys: set[str], explanations: dict[str, str]) -> set[str]:
    """The keys that `explanations` does not explain, with or without their number."""
    return {key for key in keys if key not in explanations and base_name(key) not in explanations}
